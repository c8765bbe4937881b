//! The policies: one file per step of the pipeline, each a value that is compiled once and asked per request.

pub mod authenticate;
pub mod authorize;
pub mod cache;
pub mod certificate;
pub mod client;
pub mod compress;
pub mod cors;
pub mod csrf;
pub mod deadline;
pub mod expect;
pub mod fallback;
pub mod headers;
pub mod idempotency;
pub mod in_flight;
pub mod lasting;
pub mod rate_limit;
pub mod second_look;
pub mod shape;
pub mod trace;
pub mod validate;
pub mod version;
pub mod websocket;
