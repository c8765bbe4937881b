//! The gateway: one straight-line pipeline in front of any HTTP service, with identity, limits, versions and breakers.

pub mod admin;
pub mod app;
pub mod boot;
mod compose;
pub mod config;
pub mod docs;
pub mod exchange;
pub mod explain;
mod listener;
pub mod pipeline;
pub mod policy;
pub mod reload;
pub mod route;
mod service;
pub mod tables;
pub mod tls;
pub mod upstream;
mod waiting;

pub use config::Config;
pub use service::{Deps, Handle, Service, StartError, build};
