//! Transfers: posting one or a batch, asking what would happen, and reading what did.

mod batch;
mod body;
pub mod http;
mod list;
mod metadata;
pub mod model;
mod ops;
mod preconditions;
pub mod render;
mod store;

pub use batch::MAX_ITEMS;
pub use body::{NewBatch, NewTransfer};
