//! Counters in this process: sharded, bounded, and locked in order.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::Take;
use crate::clock::Clock;
use crate::store::gcra::{Decision, Level, Meter};
use crate::store::generations::{Generations, Kept};

/// Keys remembered at once, over all shards: about 100 MiB when every one of them is in use.
pub const MAX_KEYS: u64 = 1 << 20;
/// Locks that the keys are spread over.
const SHARDS: usize = 64;

/// A key as 128 bits of keyed hash: no allocation per key, and nobody can aim at a collision.
type Fingerprint = (u64, u64);
type Shard = Generations<Fingerprint, Level>;

/// See [`super::Counters::Memory`].
#[derive(Clone, Debug)]
pub struct MemoryCounters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    hashers: (RandomState, RandomState),
    shards: Vec<Mutex<Shard>>,
}

impl Kept for Level {
    fn weight(&self) -> u64 {
        1
    }

    fn expires_at(&self) -> i64 {
        self.empty_at()
    }
}

impl MemoryCounters {
    pub(super) fn new(clock: Clock) -> Self {
        let bound = MAX_KEYS / SHARDS as u64;
        let shards = (0..SHARDS).map(|_| Mutex::new(Generations::new(bound))).collect();
        Self(Arc::new(Inner { clock, hashers: (RandomState::new(), RandomState::new()), shards }))
    }

    pub(super) fn take(&self, takes: &[Take<'_>]) -> Vec<Decision> {
        let prints: Vec<Fingerprint> = takes.iter().map(|take| self.fingerprint(take.key)).collect();
        let mut locked = self.lock(&prints);
        // Read under the locks, so that of two calls the one that decides later does not look back in time.
        let now = self.0.clock.now_micros();

        let mut plans = Vec::with_capacity(takes.len());
        for (index, (take, print)) in takes.iter().zip(&prints).enumerate() {
            let meter = Meter::of(take.quota);
            let stored = locked.shard(print).and_then(|shard| shard.get(print, now)).copied();
            let need = meter.need(Take::earlier(takes, index) + u64::from(take.cost));
            plans.push(Plan { meter, stored, level: meter.settle(stored, now), need });
        }
        let all = plans.iter().all(Plan::fits);
        let mut decisions = Vec::with_capacity(takes.len());
        for (plan, print) in plans.iter().zip(&prints) {
            if all && plan.need > 0 {
                let level = plan.meter.filled(plan.stored, plan.level, plan.need, now);
                if let Some(shard) = locked.shard(print) {
                    shard.put(*print, level, now);
                }
                decisions.push(plan.meter.decision(level.amount, None));
            } else {
                decisions.push(plan.meter.decision(plan.level, (!plan.fits()).then_some(plan.need)));
            }
        }
        decisions
    }

    pub(super) fn reset(&self, key: &str) {
        let print = self.fingerprint(key);
        if let Some(shard) = self.lock(&[print]).shard(&print) {
            shard.remove(&print);
        }
    }

    fn fingerprint(&self, key: &str) -> Fingerprint {
        (self.0.hashers.0.hash_one(key), self.0.hashers.1.hash_one(key))
    }

    /// Locks the shards of all keys, in ascending order, so that two calls never wait for each other in a circle.
    fn lock(&self, prints: &[Fingerprint]) -> Locked<'_> {
        let mut indices: Vec<usize> = prints.iter().map(shard_of).collect();
        indices.sort_unstable();
        indices.dedup();
        Locked(indices.into_iter().map(|index| (index, self.0.shards[index].lock())).collect())
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> u64 {
        self.0.shards.iter().map(|shard| shard.lock().weight()).sum()
    }
}

fn shard_of(print: &Fingerprint) -> usize {
    usize::try_from(print.0 % SHARDS as u64).unwrap_or(0)
}

/// The shards one call holds.
struct Locked<'a>(Vec<(usize, MutexGuard<'a, Shard>)>);

impl Locked<'_> {
    fn shard(&mut self, print: &Fingerprint) -> Option<&mut Shard> {
        let index = shard_of(print);
        self.0.iter_mut().find(|(held, _)| *held == index).map(|(_, shard)| &mut **shard)
    }
}

/// What one take would do.
struct Plan {
    meter: Meter,
    stored: Option<Level>,
    level: u64,
    need: u64,
}

impl Plan {
    fn fits(&self) -> bool {
        self.meter.fits(self.level, self.need)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Quota;

    #[test]
    fn a_million_keys_and_more_stay_bounded_and_the_latest_are_remembered() {
        let clock = Clock::manual(time::macros::datetime!(2026-11-21 08:00 UTC));
        let counters = MemoryCounters::new(clock.clone());
        let quota = Quota { limit: 1, window: Duration::from_secs(60), burst: 1 };
        let allowed = |key: u64| counters.take(&[Take { key: &key.to_string(), quota, cost: 1 }])[0].allowed;
        let many = MAX_KEYS + MAX_KEYS / 4;
        for key in 0..many {
            assert!(allowed(key));
        }
        assert!(counters.len() <= MAX_KEYS);
        assert!((many - 1_000..many).all(|key| !allowed(key)));
        clock.advance(Duration::from_secs(61));
        for key in 0..10_000 {
            assert!(allowed(key));
        }
        assert!(counters.len() < MAX_KEYS / 10, "expired keys give their memory back: {}", counters.len());
    }
}
