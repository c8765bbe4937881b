//! The database: connecting, migrating, transactions, and what its errors mean to a client.

mod batches;
mod connect;
pub mod entity;
mod fault;
mod in_order;
pub mod migration;
mod write;

pub use batches::{remove, remove_where};
pub use connect::{Database, Kind};
pub use fault::Fault;
pub use in_order::hold;
pub use write::{Counter, Write};
