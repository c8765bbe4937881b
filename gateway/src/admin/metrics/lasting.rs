//! How many WebSockets and event streams were opened, and why they ended.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::policy::lasting::End;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// The counters of one kind of answers that last.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    open: Gauge,
    opened: Counter,
    ended: Family<ReasonLabel, Counter>,
}

impl Counters {
    /// Counters that a scrape shows: by this `name`, of what people call `what`.
    pub fn register(registry: &mut Registry, name: &str, what: &str) -> Self {
        let counters = Self::default();
        registry.register(format!("{name}_open"), format!("{what} that are open"), counters.open.clone());
        registry.register(format!("{name}_opened"), format!("{what} opened"), counters.opened.clone());
        registry.register(format!("{name}_ended"), format!("{what} ended, by reason"), counters.ended.clone());
        counters
    }

    /// One has been opened.
    pub fn begin(&self) {
        self.open.inc();
        self.opened.inc();
    }

    /// One has ended.
    pub fn ended(&self, reason: End) {
        self.open.dec();
        self.ended.get_or_create(&ReasonLabel { reason: reason.word() }).inc();
    }
}
