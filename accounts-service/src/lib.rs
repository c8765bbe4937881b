//! The ledger behind the gateway: accounts, transfers and entries, on PostgreSQL or SQLite.

pub mod accounts;
mod app;
mod config;
mod cursor;
pub mod db;
pub mod entries;
pub mod idempotency;
pub mod openapi;
pub mod posting;
mod routes;
pub mod transfers;

pub use app::{App, Deps, Handle, Service, StartError, build};
pub use config::Config;
