//! Settings of rate limits.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use serde::{Deserialize, Serialize};
use shared::config::Dur;
use shared::domain::Role;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub enabled: bool,
    pub anonymous: Vec<String>,
    pub timeout: Dur,
    pub instances: u32,
    pub ipv4_prefix: u8,
    pub ipv6_prefix: u8,
    pub policies: Vec<Policy>,
    pub roles: Vec<RolePolicies>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub name: String,
    pub key: LimitKey,
    #[serde(default)]
    pub header: Option<String>,
    #[serde(default)]
    pub quota: Option<u32>,
    #[serde(default)]
    pub window: Option<Dur>,
    #[serde(default)]
    pub burst: Option<u32>,
    #[serde(default)]
    pub windows: Vec<Window>,
    #[serde(default)]
    pub per_route: bool,
    #[serde(default)]
    pub for_keys: bool,
    #[serde(default)]
    pub shadow: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub quota: u32,
    pub window: Dur,
    #[serde(default)]
    pub burst: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKey {
    Address,
    User,
    ApiKey,
    Role,
    Header,
    All,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RolePolicies {
    pub role: Role,
    pub policies: Vec<String>,
}

impl Policy {
    /// The policy's own quota, if it has one, and the further ones.
    #[must_use]
    pub fn all_windows(&self) -> Vec<Window> {
        let own = self.quota.zip(self.window).map(|(quota, window)| Window { quota, window, burst: self.burst });
        own.into_iter().chain(self.windows.iter().copied()).collect()
    }
}

impl LimitKey {
    /// The word in the configuration, and in views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::User => "user",
            Self::ApiKey => "api_key",
            Self::Role => "role",
            Self::Header => "header",
            Self::All => "all",
        }
    }
}
