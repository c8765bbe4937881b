//! What a scrape shows of statements.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::model::Format;

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Whole.
    Whole,
    /// Its reader went away.
    Left,
    /// It was cut off: it took too long.
    Late,
    /// It was cut off: a fault of ours.
    Broken,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    format: &'static str,
    outcome: &'static str,
}

/// The counters. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(Family<Of, Counter>);

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("statements", "Statements, by form and how they ended", metrics.0.clone());
        metrics
    }

    pub(super) fn count(&self, format: Format, ended: Ended) {
        let outcome = match ended {
            Ended::Whole => "whole",
            Ended::Left => "left",
            Ended::Late => "late",
            Ended::Broken => "broken",
        };
        self.0.get_or_create(&Of { format: format.word(), outcome }).inc();
    }
}
