//! Users: registering, reading, changing, and what an administrator may do to them.

mod admin;
mod cache;
mod email_change;
mod error;
pub mod export;
mod fields;
mod held;
pub mod http;
mod import;
mod list;
mod looks;
mod model;
mod ops;
pub mod profile;
mod purge;
mod register;
mod representation;
mod sign_in;
mod store;
mod target;
pub mod v1;
pub mod v2;

pub use cache::{LONGEST_TTL, Looked, UserCache};
pub use email_change::moved;
pub use error::UserError;
#[cfg(feature = "passkeys")]
pub use fields::is_plain;
pub use fields::{Email, Identifier, Refused, Username, fold};
pub use import::{Costliest, Dry, ImportError, Refusal, Summary, costliest_foreign, import};
pub use looks::fill as fill_looks;
pub use model::{Credentials, NewUser, Status, User};
pub use purge::purge;
pub use register::Accepted;
pub use sign_in::may_change;
pub use store::{
    Inserted, administrators, by_identifier, credentials, find, free_held_names, id_of, insert, lock, move_to, prove,
    reset_password, store_password,
};
pub use target::Target;

#[cfg(test)]
mod tests;
