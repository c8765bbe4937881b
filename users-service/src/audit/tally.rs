//! How many events were written, and how many were lost, for the metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::kind::Kind;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: &'static str,
    outcome: &'static str,
}

/// Counts events. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    written: Family<Labels, Counter>,
    lost: Counter,
}

impl Tally {
    /// Shows it.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("audit_events", "Security events written, by kind and outcome", self.written.clone());
        registry.register("audit_events_lost", "Security events that were not written: always zero", self.lost.clone());
    }

    /// These are committed.
    pub fn wrote(&self, kinds: impl IntoIterator<Item = Kind>) {
        for kind in kinds {
            let labels = Labels { kind: kind.as_str(), outcome: kind.outcome().as_str() };
            self.written.get_or_create(&labels).inc();
        }
    }

    /// So many will never be.
    pub fn lost(&self, events: usize) {
        self.lost.inc_by(events as u64);
    }
}
