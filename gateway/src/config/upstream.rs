//! Settings of the upstreams: where they are, and how calls of them are spread, repeated, bounded and given up.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use serde::{Deserialize, Serialize};
use shared::config::Dur;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Services {
    pub users: Service,
    pub accounts: Service,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    pub url: String,
    pub endpoints: Vec<String>,
    pub dns: Dur,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub name: String,
    pub url: String,
    #[serde(default)]
    pub endpoints: Vec<String>,
    #[serde(default = "off")]
    pub dns: Dur,
    #[serde(default)]
    pub health_path: Option<String>,
    #[serde(default)]
    pub honours_keys: bool,
    #[serde(default)]
    pub assertion: bool,
    #[serde(default)]
    pub openapi: bool,
}

const fn off() -> Dur {
    Dur::ZERO
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    pub connect_timeout: Dur,
    pub idle_timeout: Dur,
    pub max_idle: usize,
    pub timeout: Dur,
    pub buffer_bytes: u64,
    pub retry: Retry,
    pub balance: Balance,
    pub health: Health,
    pub ejection: Ejection,
    pub concurrency: Concurrency,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    pub attempts: u32,
    pub budget_percent: u32,
    pub reserve: u32,
    pub backoff: Dur,
    pub backoff_at_most: Dur,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Balance {
    pub decay: Dur,
    pub slow_start: Dur,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    pub interval: Dur,
    pub timeout: Dur,
    pub unhealthy_after: u32,
    pub healthy_after: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ejection {
    pub consecutive_failures: u32,
    pub base: Dur,
    pub at_most: Dur,
    pub keep_percent: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    pub enabled: bool,
    pub initial: u32,
    pub least: u32,
    pub most: u32,
    pub latency: Dur,
    pub normal_percent: u32,
    pub low_percent: u32,
}
