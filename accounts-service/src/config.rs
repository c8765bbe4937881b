//! The service's settings, as `config.default.toml` documents them.

use std::net::SocketAddr;
use std::path::Path;

use serde::Deserialize;
use shared::config::{self, Check, ConfigErrors, Dur, Report, Secret, Spec};
use shared::telemetry::TelemetryConfig;

use crate::db::{Backend, DatabaseError};
use crate::receipts;

const SPEC: Spec = Spec { service: "accounts", defaults: include_str!("../config.default.toml") };

/// RFC 7518, section 3.2: an HS256 key has at least as many bytes as the hash.
const MIN_SECRET: usize = 32;

/// Everything.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The listener.
    pub server: Server,
    /// Trust in the gateway.
    pub identity: Identity,
    /// Where the ledger is.
    pub database: DatabaseConfig,
    /// Bounds of the engine.
    pub posting: PostingConfig,
    /// Bounds of accounts.
    pub accounts: Accounts,
    /// Pending transfers.
    pub holds: Holds,
    /// Bounds of statements.
    pub statements: StatementsConfig,
    /// What is kept, and for how long.
    pub retention: Retention,
    /// Checks of the ledger by itself.
    pub invariants: Invariants,
    /// Payments on dates.
    pub standing: Standing,
    /// Receipts.
    pub receipts: ReceiptsConfig,
    /// Taken, not needed.
    pub redis: Redis,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

/// The listener.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Threads; 0: one per core.
    pub workers: usize,
    /// How long requests in flight may take to end.
    pub grace: Dur,
}

/// Trust in the gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The secret shared with it.
    pub secret: Secret,
}

/// Where the ledger is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite://…` or `postgres://…`; a secret, because it may hold a password.
    pub url: Secret,
    /// Size of the pool.
    pub connections: u32,
    /// Whether to migrate at start.
    pub migrate_on_start: bool,
    /// A standby for lists; empty: none.
    pub replica_url: Secret,
    /// How far behind it may be.
    pub replica_max_lag: Dur,
}

/// Bounds of the engine.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostingConfig {
    /// Requests that may wait.
    pub queue: usize,
    /// Transfers in a commit batch.
    pub batch: usize,
    /// Patience with a running key.
    pub key_wait: Dur,
}

/// Bounds of accounts.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// User accounts of one user.
    pub per_user: u32,
}

/// Pending transfers.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holds {
    /// Time between two sweeps.
    pub sweep_every: Dur,
}

/// Bounds of statements.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementsConfig {
    /// Statements that are written at once.
    pub at_once: usize,
    /// Of one user.
    pub per_user: usize,
    /// How long one may take.
    pub patience: Dur,
    /// How long a page of one may take.
    pub page_patience: Dur,
}

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Time between two sweeps.
    pub sweep_every: Dur,
}

/// Checks of the ledger by itself.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invariants {
    /// Time between two rounds; 0: none.
    pub sample_every: Dur,
    /// Rows that a round reads, about.
    pub rows: u32,
    /// Time between two sums of all balances.
    pub sums_every: Dur,
}

/// Payments on dates.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// Time between two looks.
    pub poll: Dur,
}

/// Receipts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptsConfig {
    /// Who vouches: the gateway's public address.
    pub issuer: String,
    /// How long a key is published before it signs.
    pub publish_before: Dur,
    /// How long the published keys may be kept.
    pub max_age: Dur,
    /// Time between two looks for new keys.
    pub reload: Dur,
    /// What seals private keys; empty: a secret that lies in the database.
    pub seal_secret: Secret,
    /// The one before.
    pub previous_seal_secret: Secret,
}

/// Taken, not needed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    /// Ignored.
    pub url: Secret,
}

impl Config {
    /// Defaults, then `file`, then `env`; every mistake at once.
    pub fn load(file: Option<&Path>, env: &[(String, String)]) -> Result<Self, ConfigErrors> {
        config::load(SPEC, file, env)
    }
}

impl Check for Config {
    fn check(&self, report: &mut Report<'_>) {
        let secret = self.identity.secret.expose().len();
        report.ensure(secret >= MIN_SECRET, "identity.secret", "needs at least 32 bytes; the gateway has the same");
        if let Err(DatabaseError::Url(why)) = Backend::parse(self.database.url.expose()) {
            report.error("database.url", why);
        }
        let replica = self.database.replica_url.expose();
        let both =
            [replica, self.database.url.expose()].map(|url| matches!(Backend::parse(url), Ok(Backend::Postgres(_))));
        report.ensure(
            replica.is_empty() || both == [true, true],
            "database.replica_url",
            "postgres://…, of a database that is one, too",
        );
        report.ensure((1..=1_000).contains(&self.database.connections), "database.connections", "1 to 1000");
        report.ensure((1..=1_000_000).contains(&self.posting.queue), "posting.queue", "1 to 1000000");
        report.ensure((1..=8_000).contains(&self.posting.batch), "posting.batch", "1 to 8000");
        report.ensure((1..=1_000_000).contains(&self.accounts.per_user), "accounts.per_user", "1 to 1000000");
        let StatementsConfig { at_once, per_user, patience, page_patience } = self.statements;
        report.ensure((1..=10_000).contains(&at_once), "statements.at_once", "1 to 10000");
        report.ensure((1..=at_once).contains(&per_user), "statements.per_user", "1 to statements.at_once");
        report.ensure(!patience.get().is_zero(), "statements.patience", "more than 0s");
        report.ensure(!page_patience.get().is_zero(), "statements.page_patience", "more than 0s");
        for (sweep, key) in
            [(self.holds.sweep_every, "holds.sweep_every"), (self.retention.sweep_every, "retention.sweep_every")]
        {
            report.ensure(sweep.get().as_secs() > 0, key, "at least 1s");
        }
        let Invariants { sample_every, rows, sums_every } = self.invariants;
        let often = sample_every.get();
        report.ensure(
            often.is_zero() || (1..=86_400).contains(&often.as_secs()),
            "invariants.sample_every",
            "0s (off), or 1s to 24h",
        );
        report.ensure((100..=100_000).contains(&rows), "invariants.rows", "100 to 100000");
        report.ensure(sums_every.get().as_secs() > 0, "invariants.sums_every", "at least 1s");
        let poll = self.standing.poll.get();
        report.ensure(!poll.is_zero() && poll.as_secs() <= 60, "standing.poll", "above 0, at most 60s");
        receipts::lint(self, report);
        report.ensure(self.server.workers <= 1_024, "server.workers", "at most 1024");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_would_keep_it_from_starting_is_found_at_once() {
        let env = |values: &[(&str, &str)]| -> Vec<(String, String)> {
            values.iter().map(|(key, value)| (format!("TOLLGATE_ACCOUNTS__{key}"), (*value).to_owned())).collect()
        };
        let sound = [("IDENTITY__SECRET", "a secret of the tests, long enough")];
        assert!(Config::load(None, &env(&sound)).is_ok());
        let bad = [
            ("IDENTITY__SECRET", "short"),
            ("DATABASE__URL", "mysql://x"),
            ("DATABASE__REPLICA_URL", "postgres://localhost/x"),
            ("DATABASE__CONNECTIONS", "0"),
            ("POSTING__BATCH", "0"),
            ("ACCOUNTS__PER_USER", "0"),
            ("HOLDS__SWEEP_EVERY", "0s"),
            ("STATEMENTS__AT_ONCE", "0"),
            ("STATEMENTS__PER_USER", "0"),
            ("STATEMENTS__PATIENCE", "0s"),
            ("STATEMENTS__PAGE_PATIENCE", "0s"),
            ("RETENTION__SWEEP_EVERY", "0s"),
            ("INVARIANTS__SAMPLE_EVERY", "200ms"),
            ("INVARIANTS__ROWS", "1"),
            ("INVARIANTS__SUMS_EVERY", "0s"),
            ("STANDING__POLL", "0s"),
            ("RECEIPTS__ISSUER", "bank.example/"),
            ("RECEIPTS__RELOAD", "0s"),
            ("RECEIPTS__PUBLISH_BEFORE", "1m"),
            ("RECEIPTS__SEAL_SECRET", "short"),
            ("RECEIPTS__PREVIOUS_SEAL_SECRET", "short"),
            ("TELEMETRY__LOG", "info,,=="),
            ("TELEMETRY__OTLP_ENDPOINT", "foo"),
        ];
        let errors = Config::load(None, &env(&bad)).unwrap_err();
        let said = errors.to_string();
        assert_eq!(errors.count(), bad.len(), "{said}");
        for (key, _) in bad {
            assert!(said.contains(key), "{key} is not named in {said}");
        }
        assert_eq!(said.matches("database.url").count(), 1, "{said}");
        // Nothing would be left of these when the service stops.
        for url in
            ["sqlite://", "sqlite:", "sqlite::memory:", "sqlite://:memory:", "sqlite://x?mode=memory", "postgres://"]
        {
            assert!(Config::load(None, &env(&[sound[0], ("DATABASE__URL", url)])).is_err(), "{url}");
        }
    }

    #[test]
    fn receipts_name_an_issuer_that_somebody_chose_where_others_than_this_machine_come() {
        let load = |values: &[(&str, &str)]| {
            let secret = ("TOLLGATE_ACCOUNTS__IDENTITY__SECRET".to_owned(), "x".repeat(32));
            let own = values.iter().map(|(key, value)| (format!("TOLLGATE_ACCOUNTS__{key}"), (*value).to_owned()));
            Config::load(None, &own.chain([secret]).collect::<Vec<_>>())
        };
        for listen in ["127.0.0.1:8082", "[::1]:8082"] {
            assert!(load(&[("SERVER__LISTEN", listen)]).is_ok(), "{listen}");
        }
        for listen in ["0.0.0.0:8082", "[::]:8082", "10.0.0.7:8082"] {
            let said = load(&[("SERVER__LISTEN", listen)]).unwrap_err().to_string();
            assert!(said.contains("receipts.issuer") && said.contains("public address"), "{listen}: {said}");
            let chosen = [("SERVER__LISTEN", listen), ("RECEIPTS__ISSUER", "https://bank.example.com")];
            assert_eq!(load(&chosen).unwrap().receipts.issuer, "https://bank.example.com");
        }
    }
}
