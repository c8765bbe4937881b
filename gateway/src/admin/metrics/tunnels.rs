//! How many WebSockets were opened, and why they ended.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::policy::lasting::End;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// The counters of tunnels.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    opened: Counter,
    ended: Family<ReasonLabel, Counter>,
}

impl Counters {
    /// Counters that a scrape shows.
    pub fn register(registry: &mut Registry) -> Self {
        let counters = Self::default();
        registry.register("websockets_opened", "WebSockets opened", counters.opened.clone());
        registry.register("websockets_ended", "WebSockets ended, by reason", counters.ended.clone());
        counters
    }

    /// One has been opened.
    pub fn begin(&self) {
        self.opened.inc();
    }

    /// One has ended.
    pub fn ended(&self, reason: End) {
        self.ended.get_or_create(&ReasonLabel { reason: reason.word() }).inc();
    }
}
