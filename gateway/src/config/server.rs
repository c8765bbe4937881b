//! Settings of the listeners, and of what is read off a request.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use shared::config::{Dur, Secret};

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub workers: usize,
    pub keep_alive: Dur,
    pub header_timeout: Dur,
    pub body_timeout: Dur,
    pub body_rate: u64,
    pub write_timeout: Dur,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    pub max_in_flight: usize,
    pub shutdown_grace: Dur,
    pub shutdown_delay: Dur,
    pub trusted_proxies: Vec<String>,
    pub access_log: AccessLog,
    pub limits: Limits,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub url_bytes: usize,
    pub header_count: usize,
    pub header_bytes: usize,
    pub body_bytes: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub listen: SocketAddr,
    pub token: Secret,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub secret: Secret,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    pub enabled: bool,
    pub refresh: Dur,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessLog {
    All,
    Failures,
    None,
}
