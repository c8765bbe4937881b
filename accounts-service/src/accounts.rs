//! Accounts: opening, listing, renaming, and their life from open over frozen to closed.

mod bodiless;
mod error;
pub mod http;
mod model;
mod ops;
mod store;

pub use error::AccountError;
pub use model::{AccountBody, AccountPatch, NewAccount, one_of};
pub use store::{may_see, may_see_all, visible};
