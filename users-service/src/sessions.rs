//! Sessions: one per sign-in, carried on by refresh tokens that each work once.

mod metrics;
mod opening;
mod proof;
mod refresh_token;
pub mod rotation;
mod rotator;
mod store;

use shared::config::Report;

use crate::config::Config;

pub use metrics::{RefreshMetrics, Refreshed};
pub use opening::Opening;
pub use proof::{proof, prove};
pub use refresh_token::RefreshToken;
pub use rotator::{Presented, QUEUE, Rotator};
pub use store::{Session, end, end_all, end_others, find, open, rotate, sweep};

/// Reports what cannot be meant.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let sessions = &config.sessions;
    // Whoever refreshes when the access token ends must find the session there.
    let least = config.tokens.access_lifetime.get() + config.tokens.leeway.get() + sessions.refresh_grace.get();
    let means = "longer than tokens.access_lifetime, tokens.leeway and sessions.refresh_grace together";
    report.ensure(sessions.idle.get() > least, "sessions.idle", means);
}

#[cfg(test)]
mod tests;
