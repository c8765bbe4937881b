//! Calls counted over the last span of time, in ten slices that are reused as time goes by.

use std::time::{Duration, Instant};

const SLICES: usize = 10;

#[derive(Clone, Copy, Debug)]
struct Slice {
    /// Which slice of time since the start this one holds.
    tick: u64,
    total: u32,
    bad: u32,
}

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
        Self { start: now, slice, slices: [Slice { tick: 0, total: 0, bad: 0 }; SLICES] }
    }

    pub(super) fn record(&mut self, now: Instant, bad: bool) {
        let tick = self.tick(now);
        let slice = &mut self.slices[(tick % SLICES as u64) as usize];
        if slice.tick != tick {
            *slice = Slice { tick, total: 0, bad: 0 };
        }
        slice.total = slice.total.saturating_add(1);
        slice.bad = slice.bad.saturating_add(u32::from(bad));
    }

    /// All calls and the bad ones among them, over the span that ends now.
    pub(super) fn counts(&self, now: Instant) -> (u32, u32) {
        let oldest = self.tick(now).saturating_sub(SLICES as u64 - 1);
        let live = self.slices.iter().filter(|slice| slice.tick >= oldest);
        live.fold((0, 0), |(total, bad), slice| (total + slice.total, bad + slice.bad))
    }

    fn tick(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start).as_micros();
        u64::try_from(since / self.slice.as_micros()).unwrap_or(u64::MAX)
    }
}
