//! Passkeys (WebAuthn Level 3): keys in people's devices that sign them in, two factors at once.
//!
//! The library verifies signatures and what is signed; what it leaves out is checked here: who the key is of, whether the
//! challenge was ours, for this and not answered before, whether the key has a twin, and how large and deep all of it may be.

#[cfg(feature = "passkeys")]
mod assertion;
#[cfg(feature = "passkeys")]
mod challenge;
#[cfg(feature = "passkeys")]
mod cose;
#[cfg(feature = "passkeys")]
pub mod http;
#[cfg(feature = "passkeys")]
mod model;
#[cfg(feature = "passkeys")]
mod ops;
#[cfg(feature = "passkeys")]
mod party;
#[cfg(feature = "passkeys")]
mod prove;
#[cfg(feature = "passkeys")]
mod registration;
mod rows;
mod settings;
#[cfg(feature = "passkeys")]
mod store;

#[cfg(feature = "passkeys")]
pub use assertion::Assertion;
#[cfg(feature = "passkeys")]
pub use http::Document;
#[cfg(feature = "passkeys")]
pub use prove::{again, sign_in};
pub use rows::{of_user, remove_all, sweep};
pub use settings::check;

#[cfg(test)]
#[cfg(feature = "passkeys")]
mod tests;
