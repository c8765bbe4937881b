//! What a scrape shows of the checks. What is kept in the database is shown by every process; what was done, by the one that
//! did it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use shared::clock::Clock;

use super::finding::Findings;
use super::invariant::Invariant;
use super::part::{Part, Standing};
use super::verify::Head;
use super::watch::Watch;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    invariant: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPart {
    part: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct End {
    end: &'static str,
}

/// The counters and gauges. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    checks: Family<Of, Counter>,
    violations: Family<Of, Counter>,
    open: Family<Of, Gauge>,
    batches: Family<End, Gauge>,
    failures: Family<OfPart, Counter>,
    round_at: Arc<AtomicI64>,
    done_at: Arc<[AtomicI64; Part::ALL.len()]>,
}

/// How long ago the last round was: counted when it is asked for, so that it grows when nobody looks any more.
#[derive(Debug)]
struct Age {
    round_at: Arc<AtomicI64>,
    done_at: Arc<[AtomicI64; Part::ALL.len()]>,
    clock: Clock,
}

impl Collector for Age {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let round_at = self.round_at.load(Ordering::Relaxed);
        if round_at == 0 {
            return Ok(());
        }
        // Whole seconds are as exact as anybody needs.
        let since = |at: i64| ConstGauge::new((self.clock.now_micros() - at).max(0) / 1_000_000);
        let age = since(round_at);
        let said = "How long ago the ledger was looked at last, by whichever process";
        let named = encoder.encode_descriptor("invariant_last_round", said, Some(&Unit::Seconds), age.metric_type())?;
        age.encode(named)?;
        let said = "How long ago a part was looked at to its end; absent: never";
        let kind = ConstGauge::new(0_i64).metric_type();
        let mut named = encoder.encode_descriptor("invariant_part_age", said, Some(&Unit::Seconds), kind)?;
        for (part, done_at) in Part::ALL.iter().zip(self.done_at.iter()) {
            let done_at = done_at.load(Ordering::Relaxed);
            if done_at > 0 {
                since(done_at).encode(named.encode_family(&OfPart { part: part.word() })?)?;
            }
        }
        Ok(())
    }
}

impl Metrics {
    /// Makes them and lists them in `registry`.
    pub fn register(registry: &mut Registry, clock: &Clock) -> Self {
        let metrics = Self::default();
        registry.register("invariant_checks", "Things that were held against an invariant", metrics.checks.clone());
        registry.register("invariant_violations", "Of these, those that do not hold", metrics.violations.clone());
        let said = "Violations that are on record and that nobody has acted on";
        registry.register("invariant_open_violations", said, metrics.open.clone());
        let said = "The last batch that was looked at (reached), and the last one there is (head)";
        registry.register("invariant_batch", said, metrics.batches.clone());
        for invariant in Invariant::ALL.iter().filter(|invariant| invariant.is_sampled()) {
            let of = Of { invariant: invariant.word() };
            // Shown as 0 from the start, so that whoever watches sees the first one.
            drop(metrics.checks.get_or_create(&of));
            drop(metrics.violations.get_or_create(&of));
        }
        registry.register("invariant_failures", "Parts of rounds that failed", metrics.failures.clone());
        for part in Part::ALL {
            drop(metrics.failures.get_or_create(&OfPart { part: part.word() }));
        }
        let (round_at, done_at) = (Arc::clone(&metrics.round_at), Arc::clone(&metrics.done_at));
        registry.register_collector(Box::new(Age { round_at, done_at, clock: clock.clone() }));
        metrics
    }

    /// What a round of this process did.
    pub(super) fn count(&self, findings: &Findings) {
        for (invariant, count) in &findings.checked {
            self.checks.get_or_create(&Of { invariant: invariant.word() }).inc_by(*count);
        }
        for (invariant, count) in &findings.violated {
            self.violations.get_or_create(&Of { invariant: invariant.word() }).inc_by(*count);
        }
    }

    /// A part failed.
    pub(super) fn failed(&self, part: Part) {
        self.failures.get_or_create(&OfPart { part: part.word() }).inc();
    }

    /// What is kept.
    pub(super) fn show(&self, watch: &Watch, head: &Head, open: &[(String, i64)], parts: &[Standing]) {
        for standing in parts {
            let place = Part::ALL.iter().position(|part| part.word() == standing.part);
            if let Some(done_at) = place.and_then(|place| self.done_at.get(place)) {
                done_at.store(standing.done_at, Ordering::Relaxed);
            }
        }
        self.round_at.store(watch.round_at, Ordering::Relaxed);
        self.batches.get_or_create(&End { end: "reached" }).set(watch.batch_no);
        self.batches.get_or_create(&End { end: "head" }).set(head.batch_no);
        for invariant in Invariant::ALL {
            let count = open.iter().find(|(word, _)| word == invariant.word()).map_or(0, |(_, count)| *count);
            self.open.get_or_create(&Of { invariant: invariant.word() }).set(count);
        }
    }
}
