//! Signing keys and the other secrets that every instance of the service shares.

mod algorithm;
pub mod http;
mod jwk;
mod keyring;
mod metrics;
mod orders;
mod purpose;
mod ring;
mod rows;
mod settings;
mod signing;
mod store;

pub use algorithm::Algorithm;
pub use keyring::{Keyring, Signer};
pub use metrics::KeyMetrics;
pub use orders::{KeyOrder, OrderError, obey};
pub use purpose::Purpose;
pub use settings::{LONGEST_LIFETIME, check};
pub use store::{Keys, KeysError, load_or_create};

#[cfg(test)]
mod tests;
