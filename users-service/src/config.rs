//! The service's settings as values, one struct per section of `config.default.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use argon2::Params;
use serde::Deserialize;
use shared::config::{Check, ConfigErrors, Dur, Report, Secret, Spec};
use shared::telemetry::TelemetryConfig;

use crate::links::Purpose;
use crate::{api_keys, avatar, bootstrap, keys, mail, mfa, oauth, passkeys, sessions, throttle, users};

/// The documented defaults, which are the schema too.
pub const SPEC: Spec = Spec { service: "users", defaults: include_str!("../config.default.toml") };

/// The default is where `make run` has the gateway. Elsewhere tokens and the links in mails would name it, and nothing would
/// fail until somebody clicked one.
const UNCHOSEN: &str = "name the gateway's public address: `server.listen` is for others than this machine";

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each section is documented in config.default.toml")]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub redis: Redis,
    pub identity: Identity,
    pub tokens: Tokens,
    pub keys: Keys,
    pub sessions: Sessions,
    pub mfa: Mfa,
    pub passkeys: Passkeys,
    pub passwords: Passwords,
    pub hashing: Hashing,
    pub import: Import,
    pub throttle: Throttle,
    pub registration: Registration,
    pub mail: Mail,
    pub links: Links,
    pub avatars: Avatars,
    pub oauth: OAuth,
    pub api_keys: ApiKeys,
    pub roles: Roles,
    pub cache: Cache,
    pub bootstrap: Bootstrap,
    pub audit: Audit,
    pub retention: Retention,
    pub idempotency: Idempotency,
    pub telemetry: TelemetryConfig,
}

macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident { $($key:ident: $kind:ty,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $section { $(pub $key: $kind,)+ }
    )+};
}

sections! {
    /// `[server]`
    Server { listen: SocketAddr, workers: usize, shutdown_grace: Dur, }
    /// `[database]`
    Database { url: Secret, max_connections: u32, acquire_timeout: Dur, migrate_on_start: bool, }
    /// `[redis]`
    Redis { url: String, }
    /// `[identity]`
    Identity { secret: Secret, }
    /// `[tokens]`
    Tokens {
        issuer: String,
        audience: String,
        algorithm: keys::Algorithm,
        access_lifetime: Dur,
        leeway: Dur,
        jwks_max_age: Dur,
    }
    /// `[keys]`
    Keys {
        rotate_every: Dur,
        publish_before: Dur,
        gateway_refresh: Dur,
        reload: Dur,
        seal_secret: Secret,
        previous_seal_secret: Secret,
    }
    /// `[sessions]`
    Sessions { lifetime: Dur, idle: Dur, refresh_grace: Dur, step_up: Dur, wrong_proofs: u32, per_user: u64, cookie: String, }
    /// `[mfa]`
    Mfa { issuer: String, setup: Dur, attempts: u32, window: Dur, }
    /// `[passkeys]`
    Passkeys { rp_id: String, origins: Vec<String>, challenge: Dur, per_user: u16, }
    /// `[passwords]`
    Passwords { rule: PasswordRule, context_words: Vec<String>, }
    /// `[hashing]`
    Hashing {
        memory_kib: u32,
        passes: u32,
        lanes: u32,
        workers: usize,
        memory: u64,
        queue: usize,
        max_wait: Dur,
    }
    /// `[import]`
    Import { notice: Dur, }
    /// `[throttle]`
    Throttle {
        enabled: bool,
        attempts: u32,
        window: Dur,
        identifier_attempts: u32,
        network_attempts: u32,
        device_memory: Dur,
    }
    /// `[registration]`
    Registration { disclose_existing: bool, require_verified_email: bool, }
    /// `[mail]`
    Mail {
        transport: MailTransport,
        spool: PathBuf,
        spool_most: usize,
        smtp_url: Secret,
        from: String,
        verify_url: String,
        change_url: String,
        reset_url: String,
        timeout: Dur,
        parallel: usize,
        poll: Dur,
        attempts: u32,
        retry_first: Dur,
        retry_longest: Dur,
        per_address: u32,
        per_address_window: Dur,
        per_network: u32,
        per_network_window: Dur,
    }
    /// `[links]`
    Links { verify: Dur, change: Dur, reset: Dur, }
    /// `[avatars]`
    Avatars {
        max_bytes: usize,
        max_pixels: u64,
        lease: Dur,
        poll: Dur,
        attempts: u32,
        retry_first: Dur,
        retry_longest: Dur,
    }
    /// `[oauth]`
    OAuth {
        id_token_algorithm: keys::Algorithm,
        code_lifetime: Dur,
        request_lifetime: Dur,
        secret_grace: Dur,
        scopes: Vec<String>,
    }
    /// `[api_keys]`
    ApiKeys { per_user: u32, longest: Dur, scopes: Vec<String>, }
    /// `[roles]`
    Roles { most_holders: u32, }
    /// `[cache]`
    Cache { ttl: Dur, max_bytes: u64, }
    /// `[bootstrap]`
    Bootstrap { admin_email: String, admin_password: Secret, }
    /// `[audit]`
    Audit { queue: usize, window: Dur, }
    /// `[retention]`
    Retention { deleted_users: Dur, held_names: Dur, failed_sign_ins: Dur, idempotency_keys: Dur, mails: Dur, api_keys: Dur, sweep_every: Dur, }
    /// `[idempotency]`
    Idempotency { wait: Dur, }
}

/// What a new password must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordRule {
    /// At least 10 characters, one of them a digit.
    Composition,
    /// At least 15 characters, whatever they are.
    Nist,
}

/// How mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailTransport {
    /// As files in a folder.
    Spool,
    /// Through a mail server.
    Smtp,
}

impl Links {
    /// How long a link for this purpose is good.
    #[must_use]
    pub const fn of(&self, purpose: Purpose) -> std::time::Duration {
        match purpose {
            Purpose::VerifyEmail => self.verify.get(),
            Purpose::ChangeEmail => self.change.get(),
            Purpose::ResetPassword => self.reset.get(),
        }
    }
}

impl Config {
    /// Reads defaults, `file` and `env`, and reports every mistake at once.
    ///
    /// # Errors
    /// All mistakes, each with its place.
    pub fn load(file: Option<&Path>, env: &[(String, String)]) -> Result<Self, ConfigErrors> {
        shared::config::load(SPEC, file, env)
    }
}

impl Check for Config {
    fn check(&self, report: &mut Report<'_>) {
        let url = self.database.url.expose();
        let known = ["postgres://", "postgresql://", "sqlite:"].iter().any(|scheme| url.starts_with(scheme));
        report.ensure(known, "database.url", "begins with postgres:// or sqlite://");
        report.ensure(self.database.max_connections > 0, "database.max_connections", "at least one connection");
        let secret = self.identity.secret.expose().len();
        report.ensure(secret >= 32, "identity.secret", "at least 32 bytes, the same as in the gateway's settings");
        let issuer = &self.tokens.issuer;
        let is_url = (issuer.starts_with("https://") || issuer.starts_with("http://")) && !issuer.ends_with('/');
        report.ensure(is_url, "tokens.issuer", "an http(s) URL without a slash at its end");
        let chosen = self.server.listen.ip().is_loopback() || report.is_given("tokens.issuer");
        report.ensure(chosen, "tokens.issuer", UNCHOSEN);
        let lifetime = self.tokens.access_lifetime.get().as_secs();
        let longest = keys::LONGEST_LIFETIME.as_secs();
        report.ensure((1..=longest).contains(&lifetime), "tokens.access_lifetime", "from 1s to 1h");
        keys::check(self, report);
        let hashing = &self.hashing;
        let parameters = Params::new(hashing.memory_kib, hashing.passes, hashing.lanes, None);
        report.ensure(parameters.is_ok(), "hashing.memory_kib", "Argon2 does not take these numbers together");
        report.ensure(hashing.queue > 0, "hashing.queue", "at least one request may wait");
        report.ensure(self.import.notice.get() > Duration::ZERO, "import.notice", "more than nothing");
        avatar::check(&self.avatars, report);
        throttle::check(&self.throttle, report);
        sessions::check(self, report);
        report.ensure(self.sessions.step_up.get().as_secs() > 0, "sessions.step_up", "at least 1s");
        mfa::check(self, report);
        passkeys::check(self, report);
        bootstrap::check(self, report);
        mail::check(self, report);
        oauth::check(self, report);
        api_keys::check(self, report);
        let most = self.roles.most_holders;
        report.ensure((1..=10_000).contains(&most), "roles.most_holders", "from 1 to 10000 people");
        let ttl = self.cache.ttl.get();
        report.ensure(ttl <= users::LONGEST_TTL, "cache.ttl", "at most 1h");
        report.ensure((1..=65_536).contains(&self.audit.queue), "audit.queue", "from 1 to 65536 events");
        report.ensure(!self.audit.window.get().is_zero(), "audit.window", "longer than no time at all");
        let sweep = self.retention.sweep_every.get().as_secs();
        report.ensure(sweep > 0, "retention.sweep_every", "at least 1s");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_would_keep_it_from_starting_is_found_at_once() {
        let env = |values: &[(&str, &str)]| -> Vec<(String, String)> {
            values.iter().map(|(key, value)| (format!("TOLLGATE_USERS__{key}"), (*value).to_owned())).collect()
        };
        let sound = [("IDENTITY__SECRET", "a secret of the tests, long enough")];
        assert!(Config::load(None, &env(&sound)).is_ok());
        let bad = [
            ("IDENTITY__SECRET", "short"),
            ("BOOTSTRAP__ADMIN_EMAIL", "nobody"),
            ("BOOTSTRAP__ADMIN_PASSWORD", "weak"),
            ("TELEMETRY__LOG", "info,,=="),
            ("TELEMETRY__OTLP_ENDPOINT", "foo"),
        ];
        let errors = Config::load(None, &env(&bad)).unwrap_err();
        let said = errors.to_string();
        assert_eq!(errors.count(), bad.len(), "{said}");
        for (key, _) in bad {
            assert!(said.contains(key), "{key} is not named in {said}");
        }
        let open = [sound[0], ("SERVER__LISTEN", "0.0.0.0:8081")];
        let nowhere = Config::load(None, &env(&open)).unwrap_err().to_string();
        assert!(nowhere.contains("tokens.issuer") && nowhere.contains("public address"), "{nowhere}");
        // Also this machine's, if that is what is meant.
        for chosen in ["https://api.example.com", "http://127.0.0.1:8080"] {
            assert!(Config::load(None, &env(&[open[0], open[1], ("TOKENS__ISSUER", chosen)])).is_ok(), "{chosen}");
        }
        let own = [
            sound[0],
            ("BOOTSTRAP__ADMIN_EMAIL", "countess@example.org"),
            ("BOOTSTRAP__ADMIN_PASSWORD", "the countess 1234"),
        ];
        assert!(Config::load(None, &env(&own)).unwrap_err().to_string().contains("not your own name"));
    }
}
