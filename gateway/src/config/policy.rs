//! Settings of breakers, CORS and security headers.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use serde::{Deserialize, Serialize};
use shared::config::Dur;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    pub consecutive_failures: u32,
    pub failure_percent: u32,
    pub minimum_volume: u32,
    pub window: Dur,
    pub slow_after: Dur,
    pub slow_percent: u32,
    pub open_for: Dur,
    pub open_at_most: Dur,
    pub jitter_percent: u32,
    pub probes: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    pub origins: Vec<String>,
    pub credentials: bool,
    pub methods: Vec<String>,
    pub headers: Vec<String>,
    pub max_age: Dur,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityHeaders {
    pub strict_transport_security: String,
    pub content_security_policy: String,
    pub referrer_policy: String,
    pub cross_origin_opener_policy: String,
    pub cross_origin_resource_policy: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    pub mode: ValidationMode,
    pub body_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationMode {
    Off,
    Report,
    Refuse,
}
