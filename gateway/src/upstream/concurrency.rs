//! How many calls an upstream is given at once: more while it keeps up, less when it does not (additive increase,
//! multiplicative decrease; Jacobson 1988). A fixed cap turns a slow hour into an outage; this one finds its own level.
//!
//! It goes by a latency that operators choose, and not by a ratio to the best one seen: an upstream that serves its
//! callers in sets (as our ledger does) answers many at once later than one alone, and is all the faster for it. And it
//! goes by the fastest answer of a while (CoDel; Nichols and Jacobson 2012): where even that is late, all are, and no few
//! callers who ask for what takes long can talk the limit down for everybody.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::problem::{Code, Problem};

use crate::config::Priority;

/// The least time between two judgements of the limit.
const INTERVAL: Duration = Duration::from_millis(100);

/// Fewer answers than this say nothing about a latency.
const FEWEST: u32 = 10;

/// One answer in so many that says that it was too much is believed.
const BELIEVED: u32 = 10;

/// The part of the limit that it rises by, beside one call: one in so many.
const RISE: u32 = 20;

/// What a decrease leaves of the limit, in percent.
const LEFT: u32 = 90;

/// When a call that was shed is worth another try.
const RETRY: Duration = Duration::from_secs(1);

/// The bounds of the limit, and what moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether anything is shed at all.
    pub enabled: bool,
    /// Where the limit begins.
    pub initial: u32,
    /// It does not fall below this.
    pub least: u32,
    /// It does not rise above this.
    pub most: u32,
    /// When even the fastest answer takes longer than this, too much is out at once.
    pub latency: Duration,
    /// What calls of normal priority may fill of the limit, in percent.
    pub normal_percent: u32,
    /// What calls of low priority may fill.
    pub low_percent: u32,
}

/// What an operator sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct View {
    /// Calls that may be out at once.
    pub limit: u32,
    /// Calls that are out.
    pub pending: u32,
    /// Calls shed since the start: of high, normal and low priority.
    pub shed: [u64; 3],
}

/// The limit of one upstream.
#[derive(Debug)]
pub struct Concurrency {
    settings: Settings,
    limit: AtomicU32,
    pending: AtomicU32,
    shed: [AtomicU64; 3],
    sample: Mutex<Sample>,
}

/// What has been seen since the last judgement.
#[derive(Debug)]
struct Sample {
    since: Instant,
    answers: u32,
    fastest: Duration,
    /// Answers that say by themselves that it was too much: a timeout, a 503, a 504.
    signs: u32,
    /// The most calls that were out.
    peak: u32,
}

impl Sample {
    const fn new(since: Instant) -> Self {
        Self { since, answers: 0, fastest: Duration::MAX, signs: 0, peak: 0 }
    }
}

impl Concurrency {
    /// At the initial limit.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicU32::new(settings.initial),
            pending: AtomicU32::new(0),
            shed: Default::default(),
            sample: Mutex::new(Sample::new(now)),
            settings,
        })
    }

    /// Takes a place for one call.
    ///
    /// # Errors
    /// 503 `overloaded` when calls of this priority have filled their part: the least important are shed first.
    pub fn enter(self: &Arc<Self>, priority: Priority) -> Result<Place, Problem> {
        let place = Place(Arc::clone(self));
        let before = self.pending.fetch_add(1, Ordering::AcqRel);
        if self.settings.enabled && before >= self.part(priority) {
            self.shed[rank(priority)].fetch_add(1, Ordering::Relaxed);
            return Err(Problem::new(Code::Overloaded).retry_after(RETRY));
        }
        Ok(place)
    }

    /// How many calls may be out before one of this priority is shed; at least one.
    fn part(&self, priority: Priority) -> u32 {
        let limit = self.limit.load(Ordering::Acquire);
        let percent = match priority {
            Priority::High => return limit,
            Priority::Normal => self.settings.normal_percent,
            Priority::Low => self.settings.low_percent,
        };
        u32::try_from(u64::from(limit) * u64::from(percent) / 100).unwrap_or(limit).max(1)
    }

    /// A call's head has come after `took`, or has not. `overloaded`: the upstream said that it was too much, or said
    /// nothing in time.
    pub fn learn(&self, took: Duration, overloaded: bool, now: Instant) {
        if !self.settings.enabled {
            return;
        }
        let pending = self.pending.load(Ordering::Acquire);
        let mut sample = self.sample.lock();
        sample.answers = sample.answers.saturating_add(1);
        sample.fastest = sample.fastest.min(took);
        sample.signs = sample.signs.saturating_add(u32::from(overloaded));
        sample.peak = sample.peak.max(pending);
        // What a change of the limit has brought is not seen before an answer's time has passed.
        let early = now.saturating_duration_since(sample.since) < INTERVAL.max(sample.fastest);
        if early || (sample.answers < FEWEST && sample.signs == 0) {
            return;
        }
        let limit = self.limit.load(Ordering::Acquire);
        let refused = sample.signs.saturating_mul(BELIEVED) >= sample.answers;
        let slow = sample.answers >= FEWEST && sample.fastest > self.settings.latency;
        if refused || slow {
            // From what was out, not from a limit that nobody had reached.
            let reached = limit.min(sample.peak.max(self.settings.least));
            self.limit.store((reached * LEFT / 100).max(self.settings.least), Ordering::Release);
        } else if sample.peak.saturating_mul(2) > limit {
            self.limit.store(limit.saturating_add(1 + limit / RISE).min(self.settings.most), Ordering::Release);
        }
        *sample = Sample::new(now);
    }

    /// What an operator sees.
    #[must_use]
    pub fn view(&self) -> View {
        let shed = [0, 1, 2].map(|rank| self.shed[rank].load(Ordering::Relaxed));
        View { limit: self.limit.load(Ordering::Acquire), pending: self.pending.load(Ordering::Acquire), shed }
    }
}

const fn rank(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

/// One call's place. Dropping it gives the place to another.
#[derive(Debug)]
pub struct Place(Arc<Concurrency>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::AcqRel);
    }
}
