//! The configuration: one struct a section, as documented in `config.default.toml`.

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use shared::config::{Check, ConfigErrors, Dur, Report, Secret, Spec, load};
use shared::telemetry::TelemetryConfig;

const SPEC: Spec = Spec { service: "users", defaults: include_str!("../config.default.toml") };

/// RFC 7518, section 3.2, for the assertion's HMAC.
const MIN_SECRET_BYTES: usize = 32;

/// All settings of the service.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The listener.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// The shared stores.
    pub redis: Redis,
    /// Trust in the gateway.
    pub assertion: Assertion,
    /// Who may register, and what they learn.
    pub registration: Registration,
    /// Password rules and hashing.
    pub passwords: Passwords,
    /// Slowing down guesses.
    pub throttle: Throttle,
    /// Tokens and sessions.
    pub tokens: Tokens,
    /// The first administrator.
    pub bootstrap: Bootstrap,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

/// The listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Worker threads; 0: one per core.
    pub workers: usize,
    /// How long requests in flight may take to end.
    pub shutdown_grace: Dur,
    /// Where clients reach the API; the issuer of tokens.
    pub public_url: String,
}

/// The database.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://…` or `postgres://…`; secret, because it may hold a password.
    pub url: Secret,
    /// Connections in the pool.
    pub pool_size: u32,
    /// Whether to apply missing migrations at start.
    pub migrate_on_start: bool,
}

/// The shared stores.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// `redis://…`; empty: in memory.
    pub url: Secret,
}

/// Trust in the gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The secret shared with the gateway.
    pub secret: Secret,
}

/// Who may register, and what they learn.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Whether a taken e-mail is said to be taken.
    pub disclose_existing: bool,
}

/// Password rules and hashing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passwords {
    /// Memory per hash, KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes of one hash.
    pub lanes: u32,
    /// Hashes at a time; 0: one per core.
    pub permits: usize,
    /// How long a sign-in waits for a permit.
    pub wait: Dur,
    /// Sign-ins that may wait at once.
    pub queue: usize,
    /// NIST mode.
    pub nist: bool,
}

/// Slowing down guesses.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Whether it is on.
    pub enabled: bool,
    /// Failures that pass per window, and at once.
    pub failures: u32,
    /// The window.
    pub window: Dur,
}

/// Tokens and sessions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The audience of access tokens.
    pub audience: String,
    /// How long an access token is good.
    pub access_ttl: Dur,
    /// How long a session lives at most.
    pub session_ttl: Dur,
    /// How long the previous refresh token still gives the current one.
    pub refresh_grace: Dur,
    /// How far clocks may be off.
    pub leeway: Dur,
}

/// The first administrator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// Its e-mail; empty: a default one.
    pub admin_email: String,
    /// Its password; empty: generated.
    pub admin_password: Secret,
}

impl Config {
    /// Reads defaults, `file` and `env`; every mistake at once.
    pub fn load(file: Option<&Path>, env: &[(String, String)]) -> Result<Self, ConfigErrors> {
        load(SPEC, file, env)
    }
}

impl Check for Config {
    fn check(&self, report: &mut Report<'_>) {
        let secret = self.assertion.secret.expose().len() >= MIN_SECRET_BYTES;
        report.ensure(secret, "assertion.secret", "needs at least 32 bytes, the same as the gateway's");
        report.ensure(self.database.pool_size >= 1, "database.pool_size", "at least one connection");
        let is_http = self.server.public_url.starts_with("http://") || self.server.public_url.starts_with("https://");
        report.ensure(is_http, "server.public_url", "an http or https URL");
        report.ensure(self.passwords.memory_kib >= 8 * self.passwords.lanes.max(1), "passwords.memory_kib", "at least 8 KiB a lane");
        report.ensure(self.passwords.passes >= 1, "passwords.passes", "at least one pass");
        report.ensure(self.passwords.lanes >= 1, "passwords.lanes", "at least one lane");
        report.ensure(self.passwords.queue >= 1, "passwords.queue", "at least one may wait");
        report.ensure(self.throttle.failures >= 1, "throttle.failures", "at least one");
        report.ensure(!self.throttle.window.get().is_zero(), "throttle.window", "longer than nothing");
        report.ensure(!self.tokens.access_ttl.get().is_zero(), "tokens.access_ttl", "longer than nothing");
        report.ensure(self.tokens.session_ttl >= self.tokens.access_ttl, "tokens.session_ttl", "at least access_ttl");
    }
}
