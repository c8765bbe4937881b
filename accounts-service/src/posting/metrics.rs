//! What the engine tells of itself.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::queue::Engine;

/// What every metric of the engine begins with.
const PREFIX: &str = "posting";

/// The parts of a batch's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its first request waited in the queue.
    Queued,
    /// It was decided, with what had to be looked up.
    Folded,
    /// It was written out for the database.
    Encoded,
    /// The database had it.
    Committed,
    /// Its requests were answered.
    Answered,
}

impl Phase {
    const ALL: [Self; 5] = [Self::Queued, Self::Folded, Self::Encoded, Self::Committed, Self::Answered];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Folded => "folded",
            Self::Encoded => "encoded",
            Self::Committed => "committed",
            Self::Answered => "answered",
        }
    }
}

/// Counters and distributions of commit batches.
#[derive(Clone, Debug)]
pub struct Metrics {
    batch: Histogram,
    commit: Histogram,
    phases: [Histogram; 5],
    careful: Counter,
    refolded: Counter,
    failed: Counter,
}

impl Metrics {
    /// Makes them and lists them in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            batch: Histogram::new(exponential_buckets(1.0, 2.0, 14)),
            commit: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            phases: Phase::ALL.map(|_| Histogram::new(exponential_buckets(0.000_01, 2.0, 18))),
            careful: Counter::default(),
            refolded: Counter::default(),
            failed: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix(PREFIX);
        registry.register("batch_requests", "Requests in a commit batch", metrics.batch.clone());
        let help = "Time from drained to answered";
        registry.register_with_unit("commit", help, Unit::Seconds, metrics.commit.clone());
        for (phase, histogram) in Phase::ALL.into_iter().zip(&metrics.phases) {
            let label = (Cow::Borrowed("phase"), Cow::Borrowed(phase.as_str()));
            let registry = registry.sub_registry_with_label(label);
            registry.register_with_unit("phase", "Time in a part of the way", Unit::Seconds, histogram.clone());
        }
        registry.register("careful", "Batches that had to be folded under lock", metrics.careful.clone());
        registry.register("refolded", "Times that a batch was folded again", metrics.refolded.clone());
        registry.register("failed", "Requests that got no outcome", metrics.failed.clone());
        metrics
    }

    #[expect(clippy::cast_precision_loss, reason = "a batch has at most some thousand requests")]
    pub(super) fn committed(&self, requests: usize, took: Duration) {
        self.batch.observe(requests as f64);
        self.commit.observe(took.as_secs_f64());
    }

    pub(super) fn phase(&self, phase: Phase, took: Duration) {
        self.phases.get(phase as usize).into_iter().for_each(|histogram| histogram.observe(took.as_secs_f64()));
    }

    pub(super) fn careful(&self) {
        self.careful.inc();
    }

    pub(super) fn refolded(&self) {
        self.refolded.inc();
    }

    pub(super) fn failed(&self, requests: usize) {
        self.failed.inc_by(requests as u64);
    }
}

/// Whether the committer is there and how much waits for it, read at each scrape.
pub struct Gauges(Engine);

impl Gauges {
    /// Lists those of `engine` in `registry`, which must not outlive whoever posts: the engine ends with its last handle.
    pub fn register(engine: &Engine, registry: &mut Registry) {
        registry.sub_registry_with_prefix(PREFIX).register_collector(Box::new(Self(engine.clone())));
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(engine) = self;
        for (name, help, value) in [
            ("alive", "1 while the committer is there", usize::from(engine.is_alive())),
            ("queue", "Requests that wait for the committer", engine.depth()),
            ("queue_limit", "Requests that may wait for the committer", engine.limit()),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges(…)")
    }
}
