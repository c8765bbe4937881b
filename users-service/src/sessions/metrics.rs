//! What a scrape shows of refreshes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What came of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// The session was carried on.
    Rotated,
    /// The successor was handed out again.
    Repeated,
    /// The token was used before: the session has ended.
    Replayed,
    /// Not a token of a living session.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The counters. Clones share them.
#[derive(Clone, Debug)]
pub struct RefreshMetrics {
    refreshes: Family<Outcome, Counter>,
    batch: Histogram,
}

impl Default for RefreshMetrics {
    fn default() -> Self {
        // 1 to 256, the most there are.
        Self { refreshes: Family::default(), batch: Histogram::new(exponential_buckets(1.0, 2.0, 9)) }
    }
}

impl RefreshMetrics {
    /// Puts them among those that are shown.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("refreshes", "Refresh grants, by outcome", self.refreshes.clone());
        registry.register("refresh_batch_size", "Refreshes in one transaction", self.batch.clone());
    }

    /// Counts a refresh.
    pub fn count(&self, refreshed: Refreshed) {
        let outcome = match refreshed {
            Refreshed::Rotated => "rotated",
            Refreshed::Repeated => "repeated",
            Refreshed::Replayed => "replayed",
            Refreshed::Refused => "refused",
        };
        self.refreshes.get_or_create(&Outcome { outcome }).inc();
    }

    /// Notes how many went into one transaction.
    pub(super) fn drained(&self, refreshes: usize) {
        self.batch.observe(f64::from(u32::try_from(refreshes).unwrap_or(u32::MAX)));
    }
}
