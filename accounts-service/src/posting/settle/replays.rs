//! Whether keys are worth asking for before a batch commits.
//!
//! A new key costs no question: the commit finds out when one is taken. While many are, a client retries what it has
//! sent before, and asking first spares the writer the refusal.

use std::time::{Duration, Instant};

/// For how long the last replay counts.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Of a million keys so many have to be taken, on the average of late.
const WORTH_ASKING: usize = 5_000;

/// Batches that the average is made of, about.
const OF_LATE: usize = 8;

/// How often keys were found taken of late.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Replays {
    /// Of a million.
    share: usize,
    last: Option<Instant>,
}

impl Replays {
    /// A batch of `all` requests is through, of which `taken` were replays.
    pub fn saw(&mut self, all: usize, taken: usize, now: Instant) {
        if taken > 0 {
            self.last = Some(now);
        }
        self.share = (self.share * (OF_LATE - 1) + taken * 1_000_000 / all.max(1)) / OF_LATE;
    }

    /// A commit was refused for a key.
    pub fn met(&mut self, now: Instant) {
        self.last = Some(now);
        self.share = self.share.max(WORTH_ASKING * 2);
    }

    /// Whether the next batch is likely to have some.
    pub fn expected(&self, now: Instant) -> bool {
        self.share >= WORTH_ASKING && self.last.is_some_and(|last| now.saturating_duration_since(last) < REMEMBERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_asked_for_while_some_are_taken() {
        let (mut replays, start) = (Replays::default(), Instant::now());
        assert!(!replays.expected(start));
        replays.met(start);
        assert!(replays.expected(start));
        assert!(!replays.expected(start + REMEMBERED), "it is forgotten");
        for _ in 0..40 {
            replays.saw(100, 0, start);
        }
        assert!(!replays.expected(start), "none were taken since");
        replays.saw(100, 50, start);
        assert!(replays.expected(start));
        replays.saw(100, 100, start);
        assert!(replays.share <= 1_000_000);
    }
}
