//! Second factors: an authenticator app (RFC 6238), and recovery codes for whoever has lost it.

mod codes;
pub mod http;
mod model;
mod ops;
mod proof;
mod settings;
mod store;
mod totp;

pub use proof::{Factor, Refused, admit, forgive, prove};
pub use settings::check;
pub use store::{is_on, sweep};

#[cfg(test)]
mod tests;
