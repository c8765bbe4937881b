//! Entries: what happened on one account, one side of each transfer, without gaps.

pub mod http;
mod model;
mod narrow;
mod store;

pub use model::EntryBody;
