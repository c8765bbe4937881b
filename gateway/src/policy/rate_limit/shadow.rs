//! The log of what policies in shadow mode would have refused: a line a second at most, with how many it stands for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Milliseconds between two lines.
const EVERY: u64 = 1_000;

#[derive(Debug)]
pub(super) struct ShadowLog {
    origin: Instant,
    /// From when on the next line may be written, in milliseconds after the origin.
    next: AtomicU64,
    unsaid: AtomicU64,
}

impl ShadowLog {
    pub const fn new(origin: Instant) -> Self {
        Self { origin, next: AtomicU64::new(0), unsaid: AtomicU64::new(0) }
    }

    /// Counts what `policy` would have refused to `key`, and says so when it is time to.
    pub fn would_refuse(&self, policy: &str, key: &str) {
        if let Some(times) = self.count(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)) {
            tracing::info!(policy, key, times, "a rate limit in shadow mode would have refused");
        }
    }

    /// How many a line written now stands for; `None`: none is.
    fn count(&self, now: u64) -> Option<u64> {
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        let next = self.next.load(Ordering::Relaxed);
        let claim = || self.next.compare_exchange(next, now + EVERY, Ordering::Relaxed, Ordering::Relaxed);
        (now >= next && claim().is_ok()).then(|| self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_second_stands_for_all() {
        let log = ShadowLog::new(Instant::now());
        let said: Vec<_> = [0, 1, 999, 1_000, 1_001, 2_500].into_iter().map(|now| log.count(now)).collect();
        assert_eq!(said, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}
