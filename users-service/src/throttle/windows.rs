//! How often one may try to sign in, three ways at once, in one step before any hashing.
//!
//! By **pair** of identifier and address, so that neither a stranger who tries somebody's password can lock that somebody
//! out, nor one user behind a shared address all the others. By **identifier**, so that a thousand addresses are not a
//! thousand times as many guesses: past the first few it is one in a while, which delays and does not lock; and whoever
//! comes from a network that the user has signed in from before is not counted, or a stranger could delay the user. By
//! **network**, so that one list of stolen passwords is not tried on everybody from one place. The gateway's limit by
//! address alone comes on top.

use std::net::IpAddr;
use std::time::Duration;

use prometheus_client::registry::Registry;
use shared::clock::Clock;
use shared::store::{Counters, Quota, Take};

use super::counting::Counting;
use super::metrics::ThrottleMetrics;
use super::ticket::Ticket;
use crate::config;
use crate::users::Identifier;

/// The attempts for one identifier are counted over this: with 30 of them one more every 30 s.
pub(super) const IDENTIFIER_WINDOW: Duration = Duration::from_secs(15 * 60);

/// An attempt to sign in, as it is counted.
#[derive(Clone, Debug)]
pub struct Visit {
    pair: Ticket,
    /// Nothing: it comes from a device that is known.
    identifier: Option<Ticket>,
    network: Option<Ticket>,
}

/// The three counters of signing in.
#[derive(Clone, Debug)]
pub struct Windows {
    quotas: Option<Quotas>,
    counting: Counting,
    metrics: ThrottleMetrics,
}

#[derive(Clone, Copy, Debug)]
struct Quotas {
    pair: Quota,
    identifier: Quota,
    network: Quota,
}

impl Visit {
    /// Under this identifier from this address, on a device that is known or not.
    #[must_use]
    pub fn new(identifier: &Identifier, address: Option<IpAddr>, known: bool) -> Self {
        Self {
            pair: Ticket::new(identifier, address),
            identifier: (!known).then(|| Ticket::identifier(identifier)),
            network: address.map(Ticket::network),
        }
    }
}

#[cfg(feature = "passkeys")]
impl Visit {
    /// With a passkey from this address. No counter follows it from wherever: what it signs cannot be guessed, and a stranger
    /// who knows what it is called could delay its user.
    #[must_use]
    pub fn with_passkey(credential_id: &[u8], address: Option<IpAddr>) -> Self {
        Self { pair: Ticket::passkey(credential_id, address), identifier: None, network: address.map(Ticket::network) }
    }
}

impl Windows {
    /// Over these counters.
    #[must_use]
    pub fn new(config: &config::Throttle, shared: Counters, clock: Clock) -> Self {
        let quota = |limit, window| Quota { limit, window, burst: limit };
        let quotas = Quotas {
            pair: quota(config.attempts, config.window.get()),
            identifier: quota(config.identifier_attempts, IDENTIFIER_WINDOW),
            network: quota(config.network_attempts, config.window.get()),
        };
        let quotas = config.enabled.then_some(quotas);
        Self { quotas, counting: Counting::new(shared, clock), metrics: ThrottleMetrics::default() }
    }

    /// Whether anything is counted.
    #[must_use]
    pub const fn are_on(&self) -> bool {
        self.quotas.is_some()
    }

    /// Counts an attempt, or says how long to wait. What is refused by one counter costs nothing in the others.
    ///
    /// # Errors
    /// The wait, when there were too many.
    pub async fn admit(&self, visit: &Visit) -> Result<(), Duration> {
        let Some(quotas) = self.quotas else { return Ok(()) };
        let asked = [
            ("pair", Some(&visit.pair), quotas.pair),
            ("identifier", visit.identifier.as_ref(), quotas.identifier),
            ("network", visit.network.as_ref(), quotas.network),
        ];
        let asked: Vec<_> =
            asked.into_iter().filter_map(|(name, ticket, quota)| Some((name, ticket?, quota))).collect();
        let takes =
            asked.iter().map(|(_, ticket, quota)| Take { key: ticket.key(), quota: *quota, cost: 1, shadow: false });
        let takes: Vec<_> = takes.collect();
        let decided = self.counting.take(&takes).await;
        let refused = asked.iter().zip(&decided).filter(|(_, decision)| !decision.allowed);
        let waits = refused.map(|((name, ..), decision)| {
            self.metrics.throttled(name);
            decision.retry_after
        });
        waits.max().map_or(Ok(()), Err)
    }

    /// Forgets the attempts of a pair that led to a success. The others stay: what a stranger tried is no less for it.
    pub async fn forgive(&self, pair: &Ticket) {
        if self.quotas.is_some() {
            self.counting.forget(pair).await;
        }
    }

    /// The same for a visit.
    pub async fn welcome(&self, visit: &Visit) {
        self.forgive(&visit.pair).await;
    }

    /// Puts its metrics among those that are shown.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }
}
