//! Which settings cannot be.

use shared::config::Report;

use crate::config::Config;

/// What cannot be.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let mfa = &config.mfa;
    let named = !mfa.issuer.trim().is_empty() && !mfa.issuer.contains(':');
    report.ensure(named, "mfa.issuer", "a name without a colon");
    report.ensure(mfa.setup.get().as_secs() > 0, "mfa.setup", "at least 1s");
    report.ensure(mfa.attempts > 0, "mfa.attempts", "at least one code");
    report.ensure(mfa.window.get().as_secs() > 0, "mfa.window", "at least 1s");
}
