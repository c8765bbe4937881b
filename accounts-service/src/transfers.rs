//! Transfers: posting one or a batch, asking what would happen, and reading what did.

mod batch;
mod body;
pub mod http;
mod list;
mod memo;
mod metadata;
pub mod model;
mod ops;
mod preconditions;
mod reading;
pub mod render;
mod respond;
pub mod settlement;
mod shown;
mod store;

pub use batch::MAX_ITEMS;
pub use body::{NewBatch, NewTransfer};
pub use memo::MAX_DESCRIPTION;
pub(crate) use ops::{key_is_free_for, submit};
pub(crate) use preconditions::object;
pub use reading::position_of;
