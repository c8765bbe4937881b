//! The ledger behind the gateway: accounts, transfers and entries, on PostgreSQL or SQLite.

pub mod accounts;
mod app;
pub mod archive;
mod config;
mod cursor;
pub mod db;
pub mod entries;
pub mod events;
pub mod exchange;
pub mod history;
pub mod holds;
pub mod idempotency;
pub mod limits;
pub mod openapi;
pub mod posting;
pub mod proof;
mod query;
pub mod receipts;
mod routes;
pub mod standing;
pub mod statements;
pub mod transfers;

pub use app::{App, Deps, Handle, Service, StartError, build};
pub use config::Config;
