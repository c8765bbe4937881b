//! What must hold of `[sessions]`.

use shared::config::Report;

use crate::config::Config;

/// Browsers take such a cookie only from this very host, over TLS or from the machine itself (RFC 6265bis, section 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";

/// Reports what does not.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let sessions = &config.sessions;
    report.ensure((1..=1_000).contains(&sessions.per_user), "sessions.per_user", "from 1 to 1000 sessions");
    report.ensure((1..=1_000).contains(&sessions.wrong_proofs), "sessions.wrong_proofs", "from 1 to 1000");
    let word = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    let fine = sessions.cookie.strip_prefix(HOST_PREFIX).is_some_and(word);
    report.ensure(fine, "sessions.cookie", "`__Host-` and a word");
    // Whoever refreshes when the access token ends must find the session there.
    let least = config.tokens.access_lifetime.get() + config.tokens.leeway.get() + sessions.refresh_grace.get();
    let means = "longer than tokens.access_lifetime, tokens.leeway and sessions.refresh_grace together";
    report.ensure(sessions.idle.get() > least, "sessions.idle", means);
}
