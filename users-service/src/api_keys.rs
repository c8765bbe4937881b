//! API keys: made in a session, shown once, asked about by gateways, and dead within a second of being revoked.

pub mod http;
mod introspect;
mod key;
mod model;
mod ops;
mod scope;
mod store;
mod usage;

pub use introspect::introspect;
pub use store::{end_all, sweep};
pub use usage::{Usage, run};

#[cfg(test)]
mod tests;

use shared::config::Report;

use crate::config::Config;

/// What `[api_keys]` has to hold.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let keys = &config.api_keys;
    report.ensure((1..=1_000).contains(&keys.per_user), "api_keys.per_user", "from 1 to 1000 keys");
    report.ensure(!keys.longest.get().is_zero(), "api_keys.longest", "longer than no time at all");
    let fine = keys.scopes.iter().all(|word| scope::may_be_configured(word));
    report.ensure(
        fine,
        "api_keys.scopes",
        "each is one word, and no word of ours (neither `api` nor what OAuth knows)",
    );
}
