//! The tables as SeaORM sees them. Nothing here is ever read from a request or written to an answer.

pub mod audit_event;
pub mod audit_head;
pub mod avatar;
pub mod idempotency_key;
pub mod link;
pub mod mail;
pub mod revocation;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod user;
