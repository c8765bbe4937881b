//! Signing keys and the other secrets that every instance of the service shares.

pub mod http;
mod signing;
mod store;

pub use store::{Keys, KeysError, load_or_create};

#[cfg(test)]
mod tests;
