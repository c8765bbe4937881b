//! Calls counted over the last span of time, in ten slices that are reused as time goes by.

use std::time::{Duration, Instant};

use super::Outcome;

const SLICES: usize = 10;

#[derive(Clone, Copy, Debug)]
struct Slice {
    /// Which slice of time since the start this one holds.
    tick: u64,
    counts: Counts,
}

/// How many calls ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) total: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
}

const NONE: Counts = Counts { total: 0, failed: 0, slow: 0 };

/// A sliding count. Its edge moves in steps of a tenth of the span.
#[derive(Debug)]
pub(super) struct Window {
    start: Instant,
    slice: Duration,
    slices: [Slice; SLICES],
}

impl Window {
    pub(super) const fn new(span: Duration, now: Instant) -> Self {
        let slice = Duration::from_micros(span.as_micros() as u64 / SLICES as u64 + 1);
        Self { start: now, slice, slices: [Slice { tick: 0, counts: NONE }; SLICES] }
    }

    pub(super) fn record(&mut self, now: Instant, outcome: Outcome) {
        let tick = self.tick(now);
        let slice = &mut self.slices[(tick % SLICES as u64) as usize];
        if slice.tick != tick {
            *slice = Slice { tick, counts: NONE };
        }
        let counts = &mut slice.counts;
        counts.total = counts.total.saturating_add(1);
        counts.failed = counts.failed.saturating_add(u32::from(outcome == Outcome::Failure));
        counts.slow = counts.slow.saturating_add(u32::from(outcome == Outcome::Slow));
    }

    /// What was counted over the span that ends now.
    pub(super) fn counts(&self, now: Instant) -> Counts {
        let oldest = self.tick(now).saturating_sub(SLICES as u64 - 1);
        let live = self.slices.iter().filter(|slice| slice.tick >= oldest);
        live.fold(NONE, |sum, Slice { counts, .. }| Counts {
            total: sum.total.saturating_add(counts.total),
            failed: sum.failed.saturating_add(counts.failed),
            slow: sum.slow.saturating_add(counts.slow),
        })
    }

    fn tick(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start).as_micros();
        u64::try_from(since / self.slice.as_micros()).unwrap_or(u64::MAX)
    }
}
