//! What both services and the gateway need to agree on: a closed list of modules, each with one charter.

pub mod auth;
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod problem;
pub mod schema;
pub mod store;
pub mod telemetry;
pub mod wire;
mod words;
