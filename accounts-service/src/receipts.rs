//! Receipts: what was recorded, signed, so that whoever holds one can show it to anybody, who checks it without us.
//!
//! A receipt is a JWS (RFC 7515) over what never changes of a transfer and over the chain's link of its batch. It is made after
//! the commit, when it is asked for, and kept nowhere: it can be made again at any time, and says the same but for when.

mod check;
mod claims;
pub mod http;
mod key;
mod keyring;
mod metrics;
mod orders;
mod published;
mod ring;
mod settings;
mod store;

pub use check::{Refusal, Unread, check, read_keys, read_text};
pub use claims::{Claims, Facts, Link, TYPE, VERSION};
pub use key::KeyError;
pub use keyring::{KeyringError, Receipt, Receipts};
pub use orders::{KeyOrder, OrderError, obey};
pub(crate) use published::thumbprint;
pub use published::{KeySet, PublishedKey, Revoked};
pub use settings::lint;

#[cfg(test)]
mod tests;
