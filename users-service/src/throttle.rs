//! Throttling: attempts are counted before any work is done for them.
//!
//! A [`Throttle`] is one counter per [`Ticket`], which says what is counted together. Signing in has three of them at once:
//! [`Windows`]; so has proving within a session who one is: [`Proofs`].

mod counting;
mod devices;
mod metrics;
mod network;
mod proofs;
mod ticket;
mod windows;

use std::time::Duration;

use shared::clock::Clock;
use shared::config::Report;
use shared::store::{Counters, Quota, Take};

use crate::config::{self, Config};
use counting::Counting;

pub use devices::{Devices, sweep};
pub use proofs::{Held, Proof, Proofs};
pub use ticket::{Claim, Ticket};
pub use windows::{Visit, Windows};

/// Counts attempts.
#[derive(Clone, Debug)]
pub struct Throttle {
    quota: Option<Quota>,
    counting: Counting,
}

impl Throttle {
    /// Over these counters.
    #[must_use]
    pub fn new(config: &config::Throttle, shared: Counters, clock: Clock) -> Self {
        Self::of(config, (config.attempts, config.window.get()), shared, clock)
    }

    /// The same for mails to one address.
    #[must_use]
    pub fn of_addresses(config: &Config, shared: Counters, clock: Clock) -> Self {
        let mail = &config.mail;
        Self::of(&config.throttle, (mail.per_address, mail.per_address_window.get()), shared, clock)
    }

    /// The same for mails from one network.
    #[must_use]
    pub fn of_networks(config: &Config, shared: Counters, clock: Clock) -> Self {
        let mail = &config.mail;
        Self::of(&config.throttle, (mail.per_network, mail.per_network_window.get()), shared, clock)
    }

    fn of(config: &config::Throttle, (limit, window): (u32, Duration), shared: Counters, clock: Clock) -> Self {
        let quota = config.enabled.then_some(Quota { limit, window, burst: limit });
        Self { quota, counting: Counting::new(shared, clock) }
    }

    /// The same for the codes of one user.
    #[must_use]
    pub fn of_codes(config: &Config, shared: Counters, clock: Clock) -> Self {
        Self::of(&config.throttle, (config.mfa.attempts, config.mfa.window.get()), shared, clock)
    }

    /// Counts an attempt, or says how long to wait.
    ///
    /// # Errors
    /// The wait, when there were too many.
    pub async fn admit(&self, ticket: &Ticket) -> Result<(), Duration> {
        let Some(quota) = self.quota else { return Ok(()) };
        let decided = self.counting.take(&[Take { key: ticket.key(), quota, cost: 1, shadow: false }]).await;
        match decided.first() {
            Some(decision) if !decision.allowed => Err(decision.retry_after),
            Some(_) | None => Ok(()),
        }
    }

    /// Forgets the attempts that led to a success.
    pub async fn forgive(&self, ticket: &Ticket) {
        if self.quota.is_some() {
            self.counting.forget(ticket).await;
        }
    }
}

/// Reports what cannot be meant.
pub fn check(config: &config::Throttle, report: &mut Report<'_>) {
    report.ensure(config.attempts > 0, "throttle.attempts", "at least one attempt");
    report.ensure(config.identifier_attempts > 0, "throttle.identifier_attempts", "at least one attempt");
    report.ensure(config.network_attempts > 0, "throttle.network_attempts", "at least one attempt");
}

#[cfg(test)]
mod tests;
