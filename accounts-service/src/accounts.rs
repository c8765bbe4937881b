//! Accounts: opening, listing, naming, labelling, bounding, and their life from open over frozen to closed.

mod bodiless;
mod error;
pub mod http;
mod labels;
mod model;
mod ops;
mod store;

pub use bodiless::{Nothing, Optional};
pub use error::AccountError;
pub use model::{AccountBody, AccountPatch, NewAccount, one_of};
pub(crate) use ops::may_bound;
pub(crate) use store::{locked, record, record_at, shown, take_positions};
pub use store::{may_see, may_see_all, visible};
