//! Settings of the response cache.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use serde::{Deserialize, Serialize};
use shared::config::Dur;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    pub enabled: bool,
    pub memory_bytes: u64,
    pub entry_bytes: u64,
    pub ahead_bytes: u64,
    pub timeout: Dur,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteCache {
    pub mode: CacheMode,
    #[serde(default)]
    pub ttl: Option<Dur>,
    #[serde(default)]
    pub shared: bool,
    #[serde(default)]
    pub stale_while_revalidate: Option<Dur>,
    #[serde(default)]
    pub stale_if_error: Option<Dur>,
    #[serde(default)]
    pub vary: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    Off,
    Honour,
    Ttl,
}
