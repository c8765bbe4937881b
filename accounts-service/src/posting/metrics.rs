//! What the engine tells of itself.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Counters and distributions of commit batches.
#[derive(Clone, Debug)]
pub struct Metrics {
    batch: Histogram,
    commit: Histogram,
    careful: Counter,
    failed: Counter,
}

impl Metrics {
    /// Makes them and lists them in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 14)),
            commit: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            careful: Counter::default(),
            failed: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("posting");
        registry.register("batch_requests", "Requests in a commit batch", metrics.batch.clone());
        let help = "Time from drained to answered";
        registry.register_with_unit("commit", help, Unit::Seconds, metrics.commit.clone());
        registry.register("careful", "Batches that did not pass at the first attempt", metrics.careful.clone());
        registry.register("failed", "Requests that got no outcome", metrics.failed.clone());
        metrics
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch has at most some thousand requests")]
    pub(super) fn committed(&self, requests: usize, took: Duration) {
        self.batch.observe(requests as f64);
        self.commit.observe(took.as_secs_f64());
    }

    pub(super) fn careful(&self) {
        self.careful.inc();
    }

    pub(super) fn failed(&self, requests: usize) {
        self.failed.inc_by(requests as u64);
    }
}
