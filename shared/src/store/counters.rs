//! Rate limit counters: several keys, one decision, one atomic step, in bounded time.

mod memory;
mod mirror;
mod redis;
mod table;

use std::time::Duration;

use smallvec::SmallVec;

use super::StoreError;
use super::gcra::{Decision, Quota};
use super::link::Link;
use crate::clock::Clock;

/// What a request asks of one key. A key always has one quota at a time; named twice in a call, it is charged twice.
#[derive(Clone, Copy, Debug)]
pub struct Take<'a> {
    /// Whose counter, for example `route:client:192.0.2.1`.
    pub key: &'a str,
    /// How much may pass.
    pub quota: Quota,
    /// Units to take; zero only looks, and always fits.
    pub cost: u32,
    /// Only watched: it is charged as if it counted, but whether it has room decides for nobody else.
    pub shadow: bool,
}

/// One decision for each take, in order.
pub type Decisions = SmallVec<[Decision; 2]>;

/// On which terms a decision is wanted from counters that may not answer.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The longest that it may take. Then this instance decides alone.
    pub timeout: Duration,
    /// How many instances share the counters, and so the quota while they cannot ask; 0: as many as were seen to use them
    /// in the last ten seconds.
    pub instances: u32,
    /// Whether this instance may decide alone. If not, a slow answer is waited for, until the call is given up as lost.
    pub alone: bool,
}

/// A decision in bounded time.
#[derive(Clone, Debug)]
pub struct Ruling {
    /// One for each take.
    pub decisions: Decisions,
    /// Whether this instance decided by what it knew of the shared counters, and its share of what was left.
    pub alone: bool,
}

/// What counters say about themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterStats {
    /// Keys that this process holds.
    pub keys: usize,
    /// Questions put to the shared counters.
    pub questions: u64,
    /// Calls that carried them: the round trips.
    pub calls: u64,
    /// Calls that were given up.
    pub lost: u64,
    /// Whether the shared counters are out of reach right now.
    pub down: bool,
    /// How many instances have used the counters in the last ten seconds, as far as is known.
    pub instances: u32,
}

impl Take<'_> {
    /// Units that a call wants from this take's key, up to and including it.
    fn up_to(takes: &[Take<'_>], index: usize) -> u64 {
        let key = takes[index].key;
        takes[..=index].iter().filter(|take| take.key == key).map(|take| u64::from(take.cost)).sum()
    }
}

/// Counters under one of two roofs; clones share their state.
#[derive(Clone, Debug)]
pub enum Counters {
    /// In Redis, shared by every instance.
    Redis(redis::RedisCounters),
    /// In this process.
    Memory(memory::MemoryCounters),
}

impl Counters {
    /// The most keys that a process holds: 2^20, in 40 MiB, or in 56 where they mirror shared ones.
    pub const MAX_KEYS: usize = table::MAX_KEYS;

    /// Counters of this process; when there are too many keys, the emptiest are forgotten first.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self::Memory(memory::MemoryCounters::new(&clock))
    }

    pub(super) fn redis(link: Link, clock: Clock, deadline: Duration) -> Self {
        Self::Redis(redis::RedisCounters::new(link, &clock, deadline))
    }

    /// Takes from every key or from none: one decision for each take, in order, and units are gone only when all of
    /// them are `allowed`, shadows aside.
    ///
    /// Time is the clock's in memory (steady: nobody sets it back) and under a manual clock; otherwise Redis's own, so
    /// that instances whose clocks differ still share one limit.
    ///
    /// # Errors
    /// [`StoreError::Timeout`] after the deadline, [`StoreError::Unavailable`] at once when there is no connection.
    pub async fn take(&self, takes: &[Take<'_>]) -> Result<Decisions, StoreError> {
        match self {
            Self::Redis(counters) => counters.take(takes).await,
            Self::Memory(counters) => Ok(counters.take(takes)),
        }
    }

    /// The same in bounded time: shared counters that do not answer within `terms.timeout`, or are known not to answer,
    /// are decided for by this instance. It lets through its share of what was left when it last heard of them, and what
    /// it lets through is charged to them as soon as they answer.
    ///
    /// # Errors
    /// As [`Counters::take`], and only when `terms.alone` is not set.
    pub async fn decide(&self, takes: &[Take<'_>], terms: Terms) -> Result<Ruling, StoreError> {
        match self {
            Self::Redis(counters) => counters.decide(takes, terms).await,
            Self::Memory(counters) => Ok(Ruling { decisions: counters.take(takes), alone: false }),
        }
    }

    /// What a take would find, without taking.
    ///
    /// # Errors
    /// As [`Counters::take`].
    pub async fn peek(&self, key: &str, quota: Quota) -> Result<Option<Decision>, StoreError> {
        Ok(self.take(&[Take { key, quota, cost: 0, shadow: false }]).await?.pop())
    }

    /// Forgets what `key` took.
    ///
    /// # Errors
    /// As [`Counters::take`].
    pub async fn reset(&self, key: &str) -> Result<(), StoreError> {
        match self {
            Self::Redis(counters) => counters.reset(key).await,
            Self::Memory(counters) => {
                counters.reset(key);
                Ok(())
            }
        }
    }

    /// How they are doing.
    #[must_use]
    pub fn stats(&self) -> CounterStats {
        match self {
            Self::Redis(counters) => counters.stats(),
            Self::Memory(counters) => CounterStats { keys: counters.len(), instances: 1, ..CounterStats::default() },
        }
    }

    /// What the counters are kept in: `memory` or `redis`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Redis(_) => "redis",
            Self::Memory(_) => "memory",
        }
    }
}
