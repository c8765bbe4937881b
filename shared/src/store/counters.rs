//! Rate limit counters: several keys, one decision, one atomic step.

mod memory;
mod redis;

use std::time::Duration;

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
    /// Units to take; zero only looks.
    pub cost: u32,
}

impl Take<'_> {
    /// Units that earlier takes of the same call want from the same key.
    fn earlier(takes: &[Take<'_>], index: usize) -> u64 {
        let key = takes[index].key;
        takes[..index].iter().filter(|take| take.key == key).map(|take| u64::from(take.cost)).sum()
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
    /// Counters of this process, at most 2^20 of them; the longest untouched go first.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self::Memory(memory::MemoryCounters::new(clock))
    }

    pub(super) fn redis(link: Link, clock: Clock, deadline: Duration) -> Self {
        Self::Redis(redis::RedisCounters::new(link, clock, deadline))
    }

    /// Takes from every key or from none: one decision for each take, in order, and units are gone only when all of
    /// them are `allowed`.
    ///
    /// Time is the clock's in memory and under a manual clock; otherwise Redis's own, so that instances whose clocks
    /// differ still share one limit.
    ///
    /// # Errors
    /// [`StoreError::Timeout`] after the deadline, [`StoreError::Unavailable`] at once when there is no connection.
    pub async fn take(&self, takes: &[Take<'_>]) -> Result<Vec<Decision>, StoreError> {
        match self {
            Self::Redis(counters) => counters.take(takes).await,
            Self::Memory(counters) => Ok(counters.take(takes)),
        }
    }

    /// What a take would find, without taking.
    ///
    /// # Errors
    /// As [`Counters::take`].
    pub async fn peek(&self, key: &str, quota: Quota) -> Result<Option<Decision>, StoreError> {
        Ok(self.take(&[Take { key, quota, cost: 0 }]).await?.pop())
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
}
