//! The tables as SeaORM sees them. Nothing here is ever read from a request or written to an answer.

pub mod answered_challenge;
pub mod api_key;
pub mod audit_event;
pub mod audit_head;
pub mod authorization;
pub mod avatar;
pub mod custom_role;
pub mod id_token_key;
pub mod idempotency_key;
pub mod known_device;
pub mod link;
pub mod mail;
pub mod oauth_client;
pub mod oauth_consent;
pub mod passkey;
pub mod recovery_code;
pub mod revocation;
pub mod secret;
pub mod session;
pub mod signing_key;
pub mod totp_factor;
pub mod user;
pub mod user_custom_role;
