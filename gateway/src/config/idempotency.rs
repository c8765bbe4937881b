//! Settings of idempotency keys that the gateway keeps for its upstreams.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use serde::{Deserialize, Serialize};
use shared::config::Dur;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    pub keep: Dur,
    pub wait: Dur,
    pub timeout: Dur,
    pub request_bytes: u64,
    pub answer_bytes: usize,
    pub waiting_bytes: u64,
    pub declines: Vec<u16>,
}

/// Who keeps the keys of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    #[default]
    Off,
    Edge,
}

/// What a retry meets when nobody knows what came of the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    #[default]
    Refuse,
    Retry,
}

/// What happens while keys cannot be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysDown {
    #[default]
    Refuse,
    Pass,
}
