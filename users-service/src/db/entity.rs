//! The tables as SeaORM sees them. Nothing here is ever read from a request or written to an answer.

pub mod audit_event;
pub mod audit_head;
pub mod authorization;
pub mod id_token_key;
pub mod idempotency_key;
pub mod link;
pub mod mail;
pub mod oauth_client;
pub mod oauth_consent;
pub mod revocation;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod user;
