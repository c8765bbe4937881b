//! One address of an upstream: how loaded it seems, and whether it is in use.
//!
//! Load is the peak of its latency, which decays while nothing worse is seen, times the calls that are out (peak EWMA, as
//! in Finagle and linkerd): one slow answer counts at once, and is forgiven slowly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::breaker::Outcome;
use super::origin::Origin;

/// What an endpoint that has not answered yet is taken to cost, in microseconds, once a call is out: enough that the
/// next call tries another one first.
const UNKNOWN_COST: u64 = 1_000_000;

/// A slow start begins with this part of the full share: one in so many.
const SLOWEST_START: u64 = 20;

/// An address, and what is known of it. Its clock starts when it is made.
#[derive(Debug)]
pub struct Endpoint {
    /// Scheme, host and port as requests name them.
    pub origin: Origin,
    /// The one address of the host that connections go to; `None`: wherever the system resolves it to.
    pub pinned: Option<SocketAddr>,
    born: Instant,
    /// Microseconds; 0: unknown.
    cost: AtomicU64,
    /// When `cost` was learnt.
    learnt: AtomicU64,
    pending: AtomicU32,
    answered: AtomicU64,
    failed: AtomicU64,
    failures_in_a_row: AtomicU32,
    /// Until when it is left out; 0: it is not.
    ejected_until: AtomicU64,
    /// How often it was ejected without a long good time between.
    ejections: AtomicU32,
    /// How often it was ejected at all.
    ejected: AtomicU64,
    /// Since when it has been in use: a new or returning endpoint starts slowly.
    used_since: AtomicU64,
    healthy: AtomicBool,
    /// Probes in a row that say the opposite of `healthy`.
    contradictions: AtomicU32,
}

/// What an operator sees.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct View {
    /// The origin, and the pinned address if there is one.
    pub address: String,
    /// Calls that are out.
    pub pending: u32,
    /// The decayed peak of its latency.
    pub latency_micros: u64,
    /// Calls answered well.
    pub answered: u64,
    /// Calls that failed.
    pub failed: u64,
    /// What its probes say.
    pub healthy: bool,
    /// How long it is still left out for its failures.
    pub ejected_ms: Option<u64>,
    /// How often it was left out.
    pub ejections: u64,
}

impl Endpoint {
    /// An endpoint of which nothing is known.
    #[must_use]
    pub fn new(origin: Origin, pinned: Option<SocketAddr>, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            origin,
            pinned,
            born: now,
            cost: AtomicU64::new(0),
            learnt: AtomicU64::new(0),
            pending: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            failures_in_a_row: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            ejected: AtomicU64::new(0),
            used_since: AtomicU64::new(0),
            healthy: AtomicBool::new(true),
            contradictions: AtomicU32::new(0),
        })
    }

    fn micros(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.born).as_micros()).unwrap_or(u64::MAX)
    }

    /// Whether it is the same place.
    #[must_use]
    pub fn is_at(&self, origin: &Origin, pinned: Option<SocketAddr>) -> bool {
        self.origin == *origin && self.pinned == pinned
    }

    /// Whether calls may go there: its probes are content, and it is not ejected.
    #[must_use]
    pub fn is_available(&self, now: Instant) -> bool {
        self.healthy.load(Ordering::Relaxed) && !self.is_ejected(now)
    }

    /// Whether it is left out for its failures.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > self.micros(now)
    }

    /// What its probes say.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// How dear a call of it would be. Races between calls cost a little accuracy and nothing else.
    #[must_use]
    pub fn load(&self, now: Instant, decay: Duration, slow_start: Duration) -> u64 {
        let pending = u64::from(self.pending.load(Ordering::Relaxed));
        let cost = match self.decayed(self.micros(now), decay) {
            0 if pending > 0 => UNKNOWN_COST,
            cost => cost,
        };
        (cost + 1).saturating_mul(pending + 1).saturating_mul(self.reluctance(now, slow_start))
    }

    /// The cost, less what time has taken off it: it halves with every `decay` (as 1 / (1 + t/decay), which is near
    /// enough to the exponential and needs no floating point).
    fn decayed(&self, now: u64, decay: Duration) -> u64 {
        let since = now.saturating_sub(self.learnt.load(Ordering::Relaxed));
        let decay = u64::try_from(decay.as_micros()).unwrap_or(u64::MAX).max(1);
        let cost = u128::from(self.cost.load(Ordering::Relaxed)) * u128::from(decay);
        u64::try_from(cost / (u128::from(decay) + u128::from(since))).unwrap_or(u64::MAX)
    }

    /// How many times dearer it is made to look while it warms up.
    fn reluctance(&self, now: Instant, slow_start: Duration) -> u64 {
        let since = self.used_since.load(Ordering::Relaxed);
        let warm = u64::try_from(slow_start.as_micros()).unwrap_or(u64::MAX);
        let age = self.micros(now).saturating_sub(since);
        // Those that were there from the beginning have nothing to warm up beside.
        if since == 0 || age >= warm { 1 } else { (warm / age.max(1)).clamp(1, SLOWEST_START) }
    }

    /// Begins a call.
    pub fn lease(self: &Arc<Self>, now: Instant, decay: Duration) -> Lease {
        self.pending.fetch_add(1, Ordering::Relaxed);
        Lease { endpoint: Arc::clone(self), begun: now, decay, learnt: false }
    }

    fn learn(&self, took: Duration, now: Instant, decay: Duration) {
        let (now, took) = (self.micros(now), u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let before = self.decayed(now, decay);
        self.cost.store(before.max(took), Ordering::Relaxed);
        self.learnt.store(now, Ordering::Relaxed);
    }

    /// Notes how a call ended. `true`: it has failed so often in a row that it should be left out.
    fn note(&self, outcome: Outcome, limit: u32) -> bool {
        match outcome {
            Outcome::Failure => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let failures = self.failures_in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
                limit > 0 && failures >= limit
            }
            Outcome::Success | Outcome::Slow => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                self.failures_in_a_row.store(0, Ordering::Relaxed);
                false
            }
        }
    }

    /// Leaves it out for `base`, twice as long each further time, at most `at_most`.
    pub(super) fn eject(&self, now: Instant, base: Duration, at_most: Duration) -> Duration {
        let now = self.micros(now);
        let last = self.ejected_until.load(Ordering::Relaxed);
        let forgiven = u64::try_from(at_most.as_micros()).unwrap_or(u64::MAX);
        if now.saturating_sub(last) > forgiven {
            self.ejections.store(0, Ordering::Relaxed);
        }
        let times = self.ejections.fetch_add(1, Ordering::Relaxed);
        let wait = base.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(at_most);
        let until = now.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
        self.ejected.fetch_add(1, Ordering::Relaxed);
        self.ejected_until.store(until, Ordering::Relaxed);
        self.used_since.store(until, Ordering::Relaxed);
        self.failures_in_a_row.store(0, Ordering::Relaxed);
        wait
    }

    /// What a probe found. `Some`: its health has changed to that.
    pub(super) fn probed(&self, good: bool, now: Instant, unhealthy_after: u32, healthy_after: u32) -> Option<bool> {
        let healthy = self.healthy.load(Ordering::Relaxed);
        if good == healthy {
            self.contradictions.store(0, Ordering::Relaxed);
            return None;
        }
        let needed = if healthy { unhealthy_after } else { healthy_after };
        if self.contradictions.fetch_add(1, Ordering::Relaxed).saturating_add(1) < needed {
            return None;
        }
        self.contradictions.store(0, Ordering::Relaxed);
        self.healthy.store(good, Ordering::Relaxed);
        if good {
            self.used_since.store(self.micros(now), Ordering::Relaxed);
        }
        Some(good)
    }

    /// It joins others that are warm already.
    pub(super) fn starts_slowly(&self, now: Instant) {
        self.used_since.store(self.micros(now).max(1), Ordering::Relaxed);
    }

    /// What its probes have said counts no more: they ask for something else now, or nothing.
    pub(super) fn presume_healthy(&self) {
        self.contradictions.store(0, Ordering::Relaxed);
        self.healthy.store(true, Ordering::Relaxed);
    }

    /// What an operator sees.
    #[must_use]
    pub fn view(&self, now: Instant, decay: Duration) -> View {
        let left = self.ejected_until.load(Ordering::Relaxed).saturating_sub(self.micros(now));
        let address = match self.pinned {
            Some(address) => format!("{} at {address}", self.origin.as_str()),
            None => self.origin.as_str().to_owned(),
        };
        View {
            address,
            pending: self.pending.load(Ordering::Relaxed),
            latency_micros: self.decayed(self.micros(now), decay),
            answered: self.answered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            healthy: self.is_healthy(),
            ejected_ms: (left > 0).then_some(left / 1_000),
            ejections: self.ejected.load(Ordering::Relaxed),
        }
    }
}

/// One call of an endpoint, from its choice to the end of its answer's body.
#[derive(Debug)]
#[must_use = "a lease that is dropped at once counts no call"]
pub struct Lease {
    endpoint: Arc<Endpoint>,
    begun: Instant,
    decay: Duration,
    learnt: bool,
}

impl Lease {
    /// Whose call it is.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The answer's head has come, or it has failed. `true`: the endpoint should be left out.
    pub(super) fn ended(&mut self, outcome: Outcome, took: Duration, now: Instant, limit: u32) -> bool {
        self.learnt = true;
        // A refused connection is quick, and no reason to prefer whoever refuses.
        if outcome != Outcome::Failure {
            self.endpoint.learn(took, now, self.decay);
        }
        self.endpoint.note(outcome, limit)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Cancelled: it would have taken at least this long.
        if !self.learnt {
            let now = Instant::now();
            self.endpoint.learn(now.saturating_duration_since(self.begun), now, self.decay);
        }
        self.endpoint.pending.fetch_sub(1, Ordering::Relaxed);
    }
}
