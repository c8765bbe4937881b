//! What a scrape shows of hashing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    result: &'static str,
}

/// What came of one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hashed {
    /// It was made for a new or renewed password.
    Made,
    /// It is the password's.
    Right,
    /// It is another's, or nobody's.
    Wrong,
}

/// The counters. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct HashMetrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    permits: Gauge,
    at_work: AtomicI64,
    most: Gauge,
    waited: Histogram,
    shed: Counter,
    hashes: Family<By, Counter>,
    all: AtomicU64,
}

/// A hash at work, until it is dropped.
pub(super) struct AtWork(HashMetrics);

impl HashMetrics {
    pub fn new(permits: usize) -> Self {
        let inner = Inner {
            permits: Gauge::default(),
            at_work: AtomicI64::default(),
            most: Gauge::default(),
            // From 1 ms to 8 s.
            waited: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            shed: Counter::default(),
            hashes: Family::default(),
            all: AtomicU64::default(),
        };
        inner.permits.set(i64::try_from(permits).unwrap_or(i64::MAX));
        Self(Arc::new(inner))
    }

    pub fn register(&self, registry: &mut Registry) {
        let Inner { permits, most, waited, shed, hashes, .. } = &*self.0;
        registry.register("hash_permits", "Passwords that may be hashed at once", permits.clone());
        registry.register("hashes_most_at_once", "Passwords that were hashed at once, at most", most.clone());
        registry.register("hash_wait_seconds", "Waiting for a turn to hash a password", waited.clone());
        registry.register("hashes_shed", "Requests turned away because their turn did not come", shed.clone());
        registry.register("hashes", "Passwords hashed, by what came of it", hashes.clone());
    }

    pub fn waited(&self, time: Duration) {
        self.0.waited.observe(time.as_secs_f64());
    }

    pub fn shed(&self) {
        self.0.shed.inc();
    }

    pub fn begin(&self) -> AtWork {
        use std::sync::atomic::Ordering::SeqCst;
        let now = self.0.at_work.fetch_add(1, SeqCst) + 1;
        self.0.most.inner().fetch_max(now, SeqCst);
        AtWork(self.clone())
    }

    pub fn hashed(&self, hashed: Hashed) {
        let result = match hashed {
            Hashed::Made => "made",
            Hashed::Right => "right",
            Hashed::Wrong => "wrong",
        };
        self.0.hashes.get_or_create(&By { result }).inc();
        self.0.all.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }

    /// Hashes computed so far, and the most at once.
    #[cfg(test)]
    pub fn work(&self) -> (u64, i64) {
        (self.0.all.load(std::sync::atomic::Ordering::SeqCst), self.0.most.get())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.at_work.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
    }
}
