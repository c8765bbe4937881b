//! What a scrape shows of throttling.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct By {
    counter: &'static str,
}

/// The counters. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct ThrottleMetrics(Family<By, Counter>);

impl ThrottleMetrics {
    pub fn register(&self, registry: &mut Registry) {
        let help = "Attempts to sign in that were refused, by what they were too many for";
        registry.register("throttled", help, self.0.clone());
    }

    pub fn throttled(&self, counter: &'static str) {
        self.0.get_or_create(&By { counter }).inc();
    }
}
