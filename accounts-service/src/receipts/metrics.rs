//! What a scrape shows of receipts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

/// Receipts by what came of them.
#[derive(Clone, Debug)]
pub struct Metrics(Family<Ended, Counter>);

impl Metrics {
    /// Makes them and lists them in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let receipts = Family::default();
        registry.register("receipts", "Receipts that were asked for, by outcome", Family::clone(&receipts));
        let metrics = Self(receipts);
        for outcome in ["signed", "failed"] {
            drop(metrics.0.get_or_create(&Ended { outcome }));
        }
        metrics
    }

    /// One was asked for.
    pub fn count(&self, signed: bool) {
        let outcome = if signed { "signed" } else { "failed" };
        self.0.get_or_create(&Ended { outcome }).inc();
    }
}
