//! Settings of routes and versions.
#![expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]

use std::num::NonZeroU64;

use actix_web::http::Method;
use serde::{Deserialize, Serialize};
use shared::config::Dur;
use shared::domain::{Permission, Roles};

use super::ValidationMode;
use super::idempotency::{Keys, KeysDown, OnUnknown};
use crate::route::Pattern;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    pub prefix: String,
    pub default: String,
    pub served: Vec<ServedVersion>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServedVersion {
    pub name: String,
    #[serde(default)]
    pub deprecation: Option<String>,
    #[serde(default)]
    pub sunset: Option<String>,
    #[serde(default)]
    pub successor: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub path: String,
    #[serde(default)]
    pub upstream: String,
    #[serde(default)]
    pub compose: Vec<Part>,
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub methods: Vec<String>,
    #[serde(default)]
    pub auth: Auth,
    #[serde(default)]
    pub roles: Roles,
    #[serde(default)]
    pub permission: Option<Permission>,
    #[serde(default)]
    pub scope: Option<String>,
    #[serde(default)]
    pub scopes: Vec<String>,
    #[serde(default)]
    pub scope_any: Vec<String>,
    #[serde(default)]
    pub issuers: Vec<String>,
    #[serde(default)]
    pub limits: Vec<String>,
    #[serde(default)]
    pub client_limits: Option<Vec<String>>,
    #[serde(default = "yes")]
    pub limited: bool,
    #[serde(default = "one")]
    pub cost: u32,
    #[serde(default)]
    pub cost_bytes: Option<NonZeroU64>,
    #[serde(default)]
    pub limiter_down: LimiterDown,
    #[serde(default)]
    pub idempotency: Keys,
    #[serde(default)]
    pub key_required: bool,
    #[serde(default)]
    pub on_unknown: OnUnknown,
    #[serde(default)]
    pub idempotency_down: KeysDown,
    #[serde(default)]
    pub timeout: Option<Dur>,
    #[serde(default)]
    pub body: Option<u64>,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub forward_authorization: bool,
    #[serde(default)]
    pub forward_cookies: bool,
    #[serde(default)]
    pub cross_site: CrossSite,
    #[serde(default)]
    pub oauth: bool,
    #[serde(default = "yes")]
    pub private: bool,
    #[serde(default = "yes")]
    pub compress: bool,
    #[serde(default)]
    pub websocket: bool,
    #[serde(default)]
    pub retries: Option<u32>,
    #[serde(default)]
    pub hedge: Option<Dur>,
    #[serde(default)]
    pub priority: Option<Priority>,
    #[serde(default)]
    pub split: Vec<Split>,
    #[serde(default)]
    pub mirror: Option<Mirror>,
    #[serde(default)]
    pub fallback: Option<Fallback>,
    #[serde(default)]
    pub client_certificate: bool,
    #[serde(default)]
    pub client_names: Vec<String>,
    #[serde(default)]
    pub forward_client_certificate: bool,
    #[serde(default)]
    pub cache: Option<super::RouteCache>,
    #[serde(default)]
    pub invalidates: Vec<String>,
    #[serde(default)]
    pub validate: Option<ValidationMode>,
}

impl Route {
    /// What tells the row apart from others, for people and for counters: methods, host and path.
    #[must_use]
    pub fn title(&self) -> String {
        let methods = if self.methods.is_empty() { "*".to_owned() } else { self.methods.join(",") };
        let version = self.version.as_deref().map_or_else(String::new, |version| format!(" ({version})"));
        format!("{methods} {}{}{version}", self.host.as_deref().unwrap_or_default(), self.path)
    }

    /// Every upstream that its requests may come to.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        let split = self.split.iter().map(|split| &split.upstream);
        let mirror = self.mirror.iter().map(|mirror| &mirror.upstream);
        let own = [&self.upstream].into_iter().filter(|name| !name.is_empty());
        own.chain(split).chain(mirror).map(String::as_str)
    }

    /// Whether what it stands for may be a part of a composed answer: GET of this path, by an upstream, under any host.
    #[must_use]
    pub fn answers_a_part(&self, path: &str) -> bool {
        let pattern = self.path.parse::<Pattern>();
        let stands = pattern.is_ok_and(|pattern| pattern.matches(path));
        stands && self.reads() && self.host.is_none() && !self.upstream.is_empty()
    }

    /// Whether it takes GET.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|method| *method == Method::GET.as_str())
    }
}

/// One of the answers that a composed answer is made of.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub name: String,
    pub path: String,
}

const fn yes() -> bool {
    true
}

const fn one() -> u32 {
    1
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    #[default]
    Required,
    Optional,
    None,
}

/// Which requests have to come from a page that may make them, if a browser sends them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CrossSite {
    #[default]
    Judge,
    Refuse,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimiterDown {
    #[default]
    Share,
    Refuse,
}

/// Who is served first when there is not enough for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    Normal,
    High,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    pub upstream: String,
    #[serde(default)]
    pub percent: u32,
    #[serde(default)]
    pub header: Option<String>,
    #[serde(default)]
    pub cookie: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    pub upstream: String,
    pub percent: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    pub status: u16,
    pub body: String,
    #[serde(default = "json")]
    pub content_type: String,
}

fn json() -> String {
    "application/json".to_owned()
}
