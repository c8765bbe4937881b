//! What became of the requests that an upstream was asked: counted without a lock, read at each scrape.

use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::StatusCode;

/// What may come of a request: no answer, or one of a class.
const OUTCOMES: [&str; 7] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx", "gone"];

/// That of a request whose client did not wait for it.
const GONE: usize = 6;

/// The counters of one upstream. They outlive its definition.
#[derive(Debug, Default)]
pub struct Counts {
    outcomes: [AtomicU64; OUTCOMES.len()],
    open: AtomicU64,
    forced: AtomicU64,
}

impl Counts {
    /// One request has been answered, after all its repetitions. `None`: it has not.
    pub fn request(&self, answer: Option<StatusCode>) {
        let class = answer.map_or(0, |status| usize::from(status.as_u16() / 100));
        // HTTP knows no other classes.
        if let Some(counter) = self.outcomes.get(class).filter(|_| class < GONE) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One request has been asked, and its client did not wait for the answer.
    pub fn gone(&self) {
        self.outcomes[GONE].fetch_add(1, Ordering::Relaxed);
    }

    /// Its breaker has refused a call. `forced`: because an operator holds it open.
    pub fn refused(&self, forced: bool) {
        let counter = if forced { &self.forced } else { &self.open };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests by what came of them.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> {
        OUTCOMES.into_iter().zip(self.outcomes.iter().map(|counter| counter.load(Ordering::Relaxed)))
    }

    /// Calls that the breaker refused, by whether an operator held it open.
    #[must_use]
    pub fn refusals(&self) -> [(&'static str, u64); 2] {
        [("false", self.open.load(Ordering::Relaxed)), ("true", self.forced.load(Ordering::Relaxed))]
    }
}
