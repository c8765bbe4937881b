//! One entity a table. They never leave the stores: requests and answers have types of their own.

pub mod idempotency_key;
pub mod revocation;
pub mod service_secret;
pub mod session;
pub mod signing_key;
pub mod user;
