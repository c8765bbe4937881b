//! The change feed: everything that happened, in the order of commit, from the outbox that every change is written to
//! with itself. A place in it is a position, so whoever has read up to one misses nothing and goes on from there.

pub mod http;
mod kinds;
mod model;
mod store;

pub use kinds::KINDS;
pub use model::EventBody;
