//! The gateway's settings as they are written; `tables` turns them into what requests read.

mod authentication;
mod cache;
mod check;
mod compression;
pub mod diff;
pub mod effective;
mod forwarding;
mod idempotency;
mod policy;
mod rate_limit;
mod route;
mod server;
mod tls;
mod upstream;
mod websocket;

use std::path::Path;

use serde::{Deserialize, Serialize};
use shared::config::{ConfigErrors, Secret, Spec, load, load_written};
use shared::telemetry::TelemetryConfig;
use toml::Table;

pub use authentication::{ApiKeys, Authentication, Cookie, Introspecting, Introspection, Issuer, StaticKey};
pub use cache::{Cache, CacheMode, RouteCache};
pub use compression::{Coding, Compression};
pub use forwarding::{Forwarding, Tells, Told};
pub use idempotency::{Idempotency, Keys, KeysDown, OnUnknown};
pub use policy::{Breaker, Cors, SecurityHeaders, Validation, ValidationMode};
pub use rate_limit::{LimitKey, Policy, RateLimit, RolePolicies, Window};
pub use route::{
    Auth, CrossSite, Fallback, LimiterDown, Mirror, Part, Priority, Route, ServedVersion, Split, Versions,
};
pub use server::{AccessLog, Admin, Documents, Identity, Limits, Server};
pub use tls::{CertificateFiles, ClientAuth, Tls, TlsVersion, UnknownName};
pub use upstream::{Balance, Concurrency, Ejection, Health, Retry, Service, Services, Upstream, UpstreamSettings};
pub use websocket::{EventStreams, WebSocket};

/// The documented defaults, which are also the schema.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

const SPEC: Spec = Spec { service: "gateway", defaults: DEFAULTS };

/// Everything that can be set. The keys are documented in `config.default.toml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]
pub struct Config {
    pub server: Server,
    pub tls: Tls,
    pub admin: Admin,
    pub services: Services,
    pub upstreams: Vec<Upstream>,
    pub upstream: UpstreamSettings,
    pub identity: Identity,
    pub authentication: Authentication,
    pub versions: Versions,
    pub rate_limit: RateLimit,
    pub idempotency: Idempotency,
    pub cache: Cache,
    pub redis: Redis,
    pub breaker: Breaker,
    pub cors: Cors,
    pub security_headers: SecurityHeaders,
    pub forwarding: Forwarding,
    pub compression: Compression,
    pub websocket: WebSocket,
    pub event_streams: EventStreams,
    pub documents: Documents,
    pub validation: Validation,
    pub telemetry: TelemetryConfig,
    pub routes: Vec<Route>,
}

/// Where counters and revocations are shared.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each key is documented in config.default.toml, which is the schema")]
pub struct Redis {
    pub url: Secret,
}

impl Config {
    /// Why `serve` would refuse this configuration although every key in it is fine.
    ///
    /// # Errors
    /// The sentence to print.
    pub fn fit_to_serve(&self) -> Result<(), String> {
        if self.identity.secret.is_empty() { Err(format!("identity.secret: {}", check::NO_SECRET)) } else { Ok(()) }
    }

    /// Reads defaults, file and environment. Errors: every mistake in them, at once.
    pub fn load(file: Option<&Path>, env: &[(String, String)]) -> Result<Self, ConfigErrors> {
        load(SPEC, file, env)
    }

    /// The same, with everything as it was written, secrets and all.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_written(file: Option<&Path>, env: &[(String, String)]) -> Result<(Self, Table), ConfigErrors> {
        load_written(SPEC, file, env)
    }
}

#[cfg(test)]
mod tests;
