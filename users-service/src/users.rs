//! Users: registering, reading, changing, and what an administrator may do to them.

mod admin;
mod email_change;
mod error;
mod fields;
pub mod http;
mod import;
mod list;
mod model;
mod ops;
mod purge;
mod register;
mod representation;
mod sign_in;
mod store;
mod target;
pub mod v1;
pub mod v2;

pub use email_change::moved;
pub use error::UserError;
pub use fields::{Email, Identifier, Refused, Username, fold};
pub use import::{Dry, ImportError, Refusal, Summary, costliest_foreign, import};
pub use model::{Credentials, NewUser, Status, User};
pub use purge::purge;
pub use register::Accepted;
pub use sign_in::may_change;
pub use store::{
    Inserted, administrators, by_identifier, credentials, find, id_of, insert, lock, move_to, prove, reset_password,
    store_password,
};
pub use target::Target;

#[cfg(test)]
mod tests;
