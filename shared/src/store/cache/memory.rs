//! The cache in this process, bounded in bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::store::generations::{Generations, Kept};

/// What all entries together may weigh; one entry may weigh half of it.
pub(super) const MAX_BYTES: u64 = 64 << 20;
/// What an entry costs beside its own bytes.
const OVERHEAD: usize = 96;

/// See [`super::Cache::Memory`].
#[derive(Clone, Debug)]
pub struct MemoryCache {
    clock: Clock,
    entries: Arc<Mutex<Generations<Box<str>, Cached>>>,
}

#[derive(Debug)]
struct Cached {
    value: Bytes,
    weight: u64,
    expires_at: i64,
}

impl Kept for Cached {
    fn weight(&self) -> u64 {
        self.weight
    }

    fn expires_at(&self) -> i64 {
        self.expires_at
    }
}

impl MemoryCache {
    pub(super) fn new(clock: Clock, max_bytes: u64) -> Self {
        Self { clock, entries: Arc::new(Mutex::new(Generations::new(max_bytes))) }
    }

    pub(super) fn get(&self, key: &str) -> Option<Bytes> {
        let now = self.clock.now_micros();
        self.entries.lock().get(key, now).map(|cached| cached.value.clone())
    }

    pub(super) fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        let now = self.clock.now_micros();
        let life = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX).saturating_mul(1_000);
        let weight = (key.len() + value.len() + OVERHEAD) as u64;
        let cached = Cached { value, weight, expires_at: now.saturating_add(life) };
        self.entries.lock().put(key.into(), cached, now);
    }

    pub(super) fn delete(&self, key: &str) {
        self.entries.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_bounded_whatever_is_written() {
        let cache = MemoryCache::new(Clock::system(), 100_000);
        for key in 0..5_000 {
            cache.set(&key.to_string(), Bytes::from(vec![0; 500]), Duration::from_secs(60));
            assert!(cache.get(&key.to_string()).is_some());
        }
        assert!(cache.entries.lock().weight() <= 100_000);
        cache.set("huge", Bytes::from(vec![0; 60_000]), Duration::from_secs(60));
        assert!(cache.get("huge").is_none());
    }
}
