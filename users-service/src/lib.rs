//! Identity behind the gateway: users, sign-in, tokens, roles, on PostgreSQL or SQLite.

mod api_keys;
mod app;
mod audit;
mod avatar;
mod bootstrap;
mod browser;
mod clients;
mod config;
pub mod db;
mod discovery;
mod idempotency;
mod keys;
mod links;
mod mail;
mod metrics;
mod mfa;
mod oauth;
pub mod openapi;
mod pages;
mod passkeys;
mod passwords;
mod probes;
mod recovery;
mod revocations;
mod roles;
mod routes;
mod service;
mod sessions;
mod step_up;
mod sweeper;
mod throttle;
mod tokens;
mod users;

#[cfg(test)]
mod testing;

pub use audit::{Place, Verdict, verify as verify_audit};
pub use bootstrap::BootstrapAdmin;
pub use config::Config;
pub use keys::{KeyOrder, OrderError, Purpose, obey as order_keys};
pub use pages::NAMES as PAGES;
pub use service::{Deps, Handle, Service, StartError, build};
pub use users::{Dry, ImportError, Refusal, Summary, import as import_users};
