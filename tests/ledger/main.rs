//! The ledger against its independent model: the model's own tests, and the service under many clients.
#![expect(clippy::expect_used, reason = "tests fail by panicking")]

mod broken;
mod chaos;
mod mirror;
mod rules;
mod service;
mod standing;
