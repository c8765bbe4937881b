//! Which endpoint a call goes to: the better of two that are drawn at random (power of two choices, Mitzenmacher 2001),
//! among those that are healthy and not ejected.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rand::Rng;

use super::breaker::Outcome;
use super::endpoint::{Endpoint, Lease};

/// How endpoints are compared, and when one is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long until a bad latency counts half.
    pub decay: Duration,
    /// How long a new or returning endpoint gets less than its share.
    pub slow_start: Duration,
    /// So many failures in a row eject; 0 turns it off.
    pub consecutive_failures: u32,
    /// The first ejection; each further one is twice as long.
    pub eject_for: Duration,
    /// The longest ejection.
    pub eject_at_most: Duration,
    /// At least so many endpoints of the whole, in percent, stay in use; and never fewer than one.
    pub keep_percent: u32,
}

/// The endpoints of one upstream.
#[derive(Debug)]
pub struct Balancer {
    settings: Settings,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    /// One ejection is decided at a time, so that the floor holds.
    ejecting: Mutex<()>,
}

impl Balancer {
    /// Over these endpoints; there is at least one.
    #[must_use]
    pub fn new(settings: Settings, endpoints: Vec<Arc<Endpoint>>) -> Self {
        Self { settings, endpoints: ArcSwap::from_pointee(endpoints), ejecting: Mutex::new(()) }
    }

    /// All of them, in use or not.
    #[must_use]
    pub fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// The rules.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The addresses have changed. Who stays keeps what is known of it; who is new starts slowly.
    pub fn replace(&self, endpoints: Vec<Arc<Endpoint>>) {
        if !endpoints.is_empty() {
            self.endpoints.store(Arc::new(endpoints));
        }
    }

    /// Chooses, and begins the call. `tried` have failed already in this exchange and are asked again only when there is
    /// nobody else. When all are unhealthy or ejected, all are asked: what is known of them may be wrong, and the breaker
    /// is there for the case that it is not.
    pub fn lease(&self, now: Instant, tried: &[Arc<Endpoint>]) -> Option<Lease> {
        let endpoints = self.endpoints.load();
        if let [only] = endpoints.as_slice() {
            return Some(only.lease(now, self.settings.decay));
        }
        let fresh = |endpoint: &Arc<Endpoint>| !tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint));
        let chosen = self
            .best_of_two(&endpoints, now, |endpoint| endpoint.is_available(now) && fresh(endpoint))
            .or_else(|| self.best_of_two(&endpoints, now, |endpoint| endpoint.is_available(now)))
            .or_else(|| self.best_of_two(&endpoints, now, fresh))
            .or_else(|| self.best_of_two(&endpoints, now, |_| true));
        chosen.map(|endpoint| endpoint.lease(now, self.settings.decay))
    }

    fn best_of_two<'a>(
        &self,
        endpoints: &'a [Arc<Endpoint>],
        now: Instant,
        may: impl Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<&'a Arc<Endpoint>> {
        let count = endpoints.iter().filter(|endpoint| may(endpoint)).count();
        let nth = |n: usize| endpoints.iter().filter(|endpoint| may(endpoint)).nth(n);
        match count {
            0 => None,
            1 => nth(0),
            _ => {
                let mut random = rand::rng();
                let first = random.random_range(0..count);
                // Any but the first.
                let second = (first + random.random_range(1..count)) % count;
                let load = |n| {
                    let endpoint = nth(n)?;
                    Some((endpoint.load(now, self.settings.decay, self.settings.slow_start), endpoint))
                };
                let (first, second) = (load(first)?, load(second)?);
                Some(if second.0 < first.0 { second.1 } else { first.1 })
            }
        }
    }

    /// Whether another endpoint than these could be asked.
    #[must_use]
    pub fn has_other(&self, now: Instant, tried: &[Arc<Endpoint>]) -> bool {
        let endpoints = self.endpoints.load();
        endpoints
            .iter()
            .any(|endpoint| endpoint.is_available(now) && !tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint)))
    }

    /// A call's head has come, or it has failed.
    pub fn ended(&self, lease: &mut Lease, outcome: Outcome, took: Duration, now: Instant) {
        let settings = &self.settings;
        if lease.ended(outcome, took, now, settings.consecutive_failures) {
            self.eject(lease.endpoint(), now);
        }
    }

    /// Leaves an endpoint out, unless too few would stay in use.
    fn eject(&self, endpoint: &Arc<Endpoint>, now: Instant) {
        let _one_at_a_time = self.ejecting.lock();
        let endpoints = self.endpoints.load();
        let all = endpoints.len();
        let others = endpoints.iter().filter(|other| !Arc::ptr_eq(other, endpoint) && other.is_available(now)).count();
        let keep = (all * self.settings.keep_percent as usize).div_ceil(100).max(1);
        if others >= keep && !endpoint.is_ejected(now) {
            let wait = endpoint.eject(now, self.settings.eject_for, self.settings.eject_at_most);
            tracing::warn!(endpoint = endpoint.origin.as_str(), address = ?endpoint.pinned, ?wait, "an endpoint is ejected");
        }
    }
}
