//! The settings of the keys: what they mean together, and which of them cannot hold at once.

use std::time::Duration;

use shared::config::{Dur, Report};

use super::purpose::Purpose;
use super::ring::Rules;
use crate::config::Config;

/// How long a process signs with what it last read of the ring. One that cannot read it any more has stopped by then, so
/// that no token outlives its key.
pub const STALE_AFTER: Duration = Duration::from_secs(60);

/// The longest that an access token may be good for.
pub const LONGEST_LIFETIME: Duration = Duration::from_secs(3_600);

/// The longest pause between two reads: some may fail before a process has to stop.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Bytes of a secret that keys are made of.
const SHORTEST_SECRET: usize = 32;
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

impl Rules {
    /// As the configuration says.
    #[must_use]
    pub fn of(config: &Config, purpose: Purpose) -> Self {
        let keys = &config.keys;
        let every = keys.rotate_every.get();
        Self {
            algorithm: match purpose {
                Purpose::Access => config.tokens.algorithm,
                Purpose::Id => config.oauth.id_token_algorithm,
            },
            rotate_every: (!every.is_zero()).then(|| micros(every)),
            publish_before: micros(keys.publish_before.get()),
            outlived_by: micros(outlived_by(config)),
        }
    }
}

/// How long after its last day a key is needed: by then nobody signs with it, and what they have signed has expired. It may
/// have been signed under other settings, so that the longest lifetime counts and not the present one.
fn outlived_by(config: &Config) -> Duration {
    STALE_AFTER + LONGEST_LIFETIME + config.tokens.leeway.get()
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// What cannot hold at once.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let keys = &config.keys;
    let (pause, before, every) = (keys.reload.get(), keys.publish_before.get(), keys.rotate_every.get());
    report.ensure((SHORTEST_PAUSE..=LONGEST_PAUSE).contains(&pause), "keys.reload", "from 50ms to 20s");
    let seen = pause + config.tokens.jwks_max_age.get() + keys.gateway_refresh.get();
    let message = format!(
        "at least `keys.reload` + `tokens.jwks_max_age` + `keys.gateway_refresh` ({}): before that somebody may not know the key",
        Dur::from(seen)
    );
    report.ensure(before >= seen, "keys.publish_before", &message);
    let least = before + outlived_by(config);
    let message = format!(
        "0s (by command only), or at least `keys.publish_before` + `tokens.leeway` + 1h1m ({}): \
         the key before is needed that long",
        Dur::from(least)
    );
    report.ensure(every.is_zero() || every >= least, "keys.rotate_every", &message);
    for (secret, name) in
        [(&keys.seal_secret, "keys.seal_secret"), (&keys.previous_seal_secret, "keys.previous_seal_secret")]
    {
        let length = secret.expose().len();
        report.ensure(length == 0 || length >= SHORTEST_SECRET, name, "at least 32 bytes, or nothing");
    }
}
