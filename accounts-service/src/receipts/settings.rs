//! The settings of receipts: what cannot hold at once.

use std::time::Duration;

use shared::config::{Dur, Report};

use crate::config::Config;

/// The default is where `make run` has the gateway. Elsewhere receipts would name it for ever, and nothing would fail until
/// somebody wanted to check one.
const UNCHOSEN: &str = "name the gateway's public address: `server.listen` is for others than this machine";

/// Bytes of a secret that keys are made of.
const SHORTEST_SECRET: usize = 32;

/// Between two looks for new keys.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a key may wait until it signs.
const LONGEST_WAIT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Says what is wrong with them.
pub fn lint(config: &Config, report: &mut Report<'_>) {
    let receipts = &config.receipts;
    let issuer = &receipts.issuer;
    let is_url = (issuer.starts_with("https://") || issuer.starts_with("http://")) && !issuer.ends_with('/');
    report.ensure(is_url, "receipts.issuer", "an http(s) URL without a slash at its end");
    let chosen = config.server.listen.ip().is_loopback() || report.is_given("receipts.issuer");
    report.ensure(chosen, "receipts.issuer", UNCHOSEN);
    let (pause, before) = (receipts.reload.get(), receipts.publish_before.get());
    report.ensure((SHORTEST_PAUSE..=LONGEST_PAUSE).contains(&pause), "receipts.reload", "from 50ms to 1m");
    let seen = pause + receipts.max_age.get();
    let message = format!(
        "at least `receipts.reload` + `receipts.max_age` ({}), at most 90d: before that somebody may not know the key",
        Dur::from(seen)
    );
    report.ensure((seen..=LONGEST_WAIT).contains(&before), "receipts.publish_before", &message);
    for (secret, name) in [
        (&receipts.seal_secret, "receipts.seal_secret"),
        (&receipts.previous_seal_secret, "receipts.previous_seal_secret"),
    ] {
        let length = secret.expose().len();
        report.ensure(length == 0 || length >= SHORTEST_SECRET, name, "at least 32 bytes, or nothing");
    }
}
