//! The circuit breaker of one upstream: closed (lets through), open (refuses), half-open (probes).
//!
//! Time is a parameter, and every admission carries the generation it was made in, so that a late answer from before
//! a trip decides nothing afterwards.

mod window;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::Rng;

use window::Window;

/// The shortest wait that a refusal names while probes are out: their answers decide within moments.
const PROBING_RETRY: Duration = Duration::from_secs(1);

/// The wait that a refusal names while an operator holds it open: nobody knows for how long.
const FORCED_RETRY: Duration = Duration::from_secs(30);

/// When to trip and how to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// This many failures in a row trip; 0 turns the rule off.
    pub consecutive_failures: u32,
    /// The span that the ratio looks back over.
    pub window: Duration,
    /// Fewer settled calls than this inside the window say nothing.
    pub minimum_volume: u32,
    /// Failed calls, in percent of the window's, that trip; 0 turns the rule off.
    pub failure_percent: u32,
    /// Slow calls, in percent of the window's, that trip; 0 turns the rule off.
    pub slow_percent: u32,
    /// The first wait before probing; doubles with every failed round of probes.
    pub open_for: Duration,
    /// The longest wait.
    pub open_at_most: Duration,
    /// At most this much is added to a wait, in percent, so that instances do not probe in step.
    pub jitter_percent: u32,
    /// Exactly this many calls go through when half-open, and all must succeed, none of them slowly where slow calls trip.
    pub probes: u32,
}

/// How a call ended, as far as the upstream's health goes. A call that is dropped unsettled (the client went away)
/// says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered, whatever the client will think of it: 4xx are successes.
    Success,
    /// Answered, but too late to be called healthy: counts in the ratio of slow calls only. A probe that is slow has
    /// failed, where that ratio is looked at.
    Slow,
    /// Refused, broken off, timed out, or a server error.
    Failure,
}

/// The call may not be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When it is worth asking again.
    pub retry_after: Duration,
    /// Whether an operator has decided so.
    pub forced: bool,
}

impl Refused {
    const fn by_calls(retry_after: Duration) -> Self {
        Self { retry_after, forced: false }
    }
}

/// What an operator has decided, whatever calls say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// Refuses everything.
    Open,
    /// Lets everything through.
    Closed,
}

/// What an operator sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `closed`, `open` or `half_open`.
    pub state: &'static str,
    /// Whether an operator keeps it there.
    pub forced: Option<Forced>,
    /// Rises with every change of state.
    pub generation: u64,
    /// How often it tripped since the start.
    pub trips: u64,
    /// While open: how long until probes go out.
    pub probes_in: Option<Duration>,
}

/// The breaker. All calls take a short lock; nothing waits inside it.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    generation: u64,
    trips: u64,
    state: State,
    forced: Option<Forced>,
}

#[derive(Debug)]
enum State {
    Closed { failures_in_a_row: u32, window: Box<Window> },
    Open { until: Instant, failed_rounds: u32 },
    HalfOpen { admitted: u32, succeeded: u32, failed_rounds: u32 },
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Arc<Self> {
        let inner = Inner { generation: 0, trips: 0, state: closed(&settings, now), forced: None };
        Arc::new(Self { settings, inner: Mutex::new(inner) })
    }

    /// The breaker that follows this one when an upstream is defined anew: open as long as this one would be where the
    /// place is the same, and closed before a new one, of which nothing is known. What an operator has decided stays.
    #[must_use]
    pub fn successor(&self, settings: Settings, same_place: bool, now: Instant) -> Arc<Self> {
        let before = self.inner.lock();
        let state = match before.state {
            State::Open { until, failed_rounds } if same_place => {
                State::Open { until: until.min(now + longest_wait(&settings)), failed_rounds }
            }
            // Its probes were those of the other breaker.
            State::HalfOpen { failed_rounds, .. } if same_place => State::Open { until: now, failed_rounds },
            State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. } => closed(&settings, now),
        };
        let Inner { generation, trips, forced, .. } = *before;
        let inner = Inner { generation: generation + 1, trips, state, forced };
        Arc::new(Self { settings, inner: Mutex::new(inner) })
    }

    /// Whether it would refuse a call now; changes nothing.
    pub fn peek(&self, now: Instant) -> Result<(), Refused> {
        let inner = self.inner.lock();
        inner.obey()?;
        match &inner.state {
            State::Open { until, .. } if now < *until => Err(Refused::by_calls(*until - now)),
            State::HalfOpen { admitted, .. } if *admitted >= self.settings.probes => {
                Err(Refused::by_calls(PROBING_RETRY))
            }
            State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. } => Ok(()),
        }
    }

    /// Asks to make one call.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Result<Admission, Refused> {
        let mut inner = self.inner.lock();
        inner.obey()?;
        if let State::Open { until, failed_rounds } = inner.state {
            if now < until {
                return Err(Refused::by_calls(until - now));
            }
            inner.enter(State::HalfOpen { admitted: 0, succeeded: 0, failed_rounds });
        }
        let mut is_probe = false;
        if let State::HalfOpen { admitted, .. } = &mut inner.state {
            if *admitted >= self.settings.probes {
                return Err(Refused::by_calls(PROBING_RETRY));
            }
            *admitted += 1;
            is_probe = true;
        }
        Ok(Admission { breaker: Arc::clone(self), generation: inner.generation, settled: false, is_probe })
    }

    /// The state for metrics and the admin view.
    #[must_use]
    pub fn snapshot(&self, now: Instant) -> Snapshot {
        let inner = self.inner.lock();
        let (state, probes_in) = match (inner.forced, &inner.state) {
            (Some(Forced::Open), _) => ("open", None),
            (Some(Forced::Closed), _) | (None, State::Closed { .. }) => ("closed", None),
            (None, State::Open { until, .. }) => ("open", Some(until.saturating_duration_since(now))),
            (None, State::HalfOpen { .. }) => ("half_open", None),
        };
        Snapshot { state, forced: inner.forced, generation: inner.generation, trips: inner.trips, probes_in }
    }

    /// Holds it open or closed until `None` lets it go by the calls again: closed, with nothing counted. What is under
    /// way decides nothing any more.
    pub fn force(&self, forced: Option<Forced>, now: Instant) {
        let mut inner = self.inner.lock();
        inner.forced = forced;
        inner.enter(closed(&self.settings, now));
    }

    fn settle(&self, generation: u64, outcome: Outcome, now: Instant) {
        let settings = &self.settings;
        let mut inner = self.inner.lock();
        if inner.generation != generation || inner.forced.is_some() {
            return;
        }
        match &mut inner.state {
            State::Closed { failures_in_a_row, window } => {
                window.record(now, outcome);
                *failures_in_a_row = if outcome == Outcome::Failure { *failures_in_a_row + 1 } else { 0 };
                let in_a_row = settings.consecutive_failures > 0 && *failures_in_a_row >= settings.consecutive_failures;
                if in_a_row || (outcome != Outcome::Success && exceeds_ratio(settings, window, now)) {
                    inner.trip(settings, now, 0);
                }
            }
            State::HalfOpen { succeeded, failed_rounds, .. } => {
                // An upstream that was given up for its slowness and is slow still would only trip again.
                let is_slow = outcome == Outcome::Slow && settings.slow_percent > 0;
                if is_slow || outcome == Outcome::Failure {
                    let rounds = failed_rounds.saturating_add(1);
                    inner.trip(settings, now, rounds);
                } else {
                    *succeeded += 1;
                    if *succeeded >= settings.probes {
                        inner.enter(closed(settings, now));
                    }
                }
            }
            // No admission carries an open generation: opening starts a new one and admits nobody.
            State::Open { .. } => {}
        }
    }

    /// Gives a probe's place back when its caller went away before the upstream answered.
    fn abandon(&self, generation: u64) {
        let mut inner = self.inner.lock();
        if inner.generation == generation
            && let State::HalfOpen { admitted, .. } = &mut inner.state
        {
            *admitted = admitted.saturating_sub(1);
        }
    }
}

impl Inner {
    /// What the operator has decided: `Err` when nothing may pass.
    const fn obey(&self) -> Result<(), Refused> {
        match self.forced {
            Some(Forced::Open) => Err(Refused { retry_after: FORCED_RETRY, forced: true }),
            Some(Forced::Closed) | None => Ok(()),
        }
    }

    fn enter(&mut self, state: State) {
        self.generation += 1;
        self.state = state;
    }

    fn trip(&mut self, settings: &Settings, now: Instant, failed_rounds: u32) {
        self.trips += 1;
        self.enter(State::Open { until: now + wait(settings, failed_rounds), failed_rounds });
    }
}

fn closed(settings: &Settings, now: Instant) -> State {
    State::Closed { failures_in_a_row: 0, window: Box::new(Window::new(settings.window, now)) }
}

fn exceeds_ratio(settings: &Settings, window: &Window, now: Instant) -> bool {
    let counts = window.counts(now);
    let exceeds = |count: u32, percent: u32| {
        percent > 0 && u64::from(count) * 100 >= u64::from(counts.total) * u64::from(percent)
    };
    counts.total >= settings.minimum_volume
        && (exceeds(counts.failed, settings.failure_percent) || exceeds(counts.slow, settings.slow_percent))
}

/// `open_for` doubled per failed round up to `open_at_most`, plus jitter.
fn wait(settings: &Settings, failed_rounds: u32) -> Duration {
    let doubled = settings.open_for.saturating_mul(1_u32.checked_shl(failed_rounds).unwrap_or(u32::MAX));
    let base = doubled.min(settings.open_at_most);
    base + base * rand::rng().random_range(0..=settings.jitter_percent) / 100
}

/// What no wait exceeds.
fn longest_wait(settings: &Settings) -> Duration {
    settings.open_at_most + settings.open_at_most * settings.jitter_percent / 100
}

/// Leave for one call. Settle it with what came of it; dropping it unsettled means that nothing was learnt.
#[derive(Debug)]
#[must_use = "an admission that is dropped at once gives its probe's place back"]
pub struct Admission {
    breaker: Arc<Breaker>,
    generation: u64,
    settled: bool,
    is_probe: bool,
}

impl Admission {
    /// Whether the call decides about an upstream that was given up.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// Nothing will be learnt from this call: gives a probe's place back before the call ends.
    pub fn abandon(&mut self) {
        if !self.settled {
            self.settled = true;
            self.breaker.abandon(self.generation);
        }
    }

    /// Tells the breaker how the call ended. Only the first word counts.
    pub fn settle(&mut self, outcome: Outcome, now: Instant) {
        if !self.settled {
            self.settled = true;
            self.breaker.settle(self.generation, outcome, now);
        }
    }

    /// The answer that was counted as good when its head came has broken off: a failure of its own. It was settled
    /// by its head, and not by its end, because a stream may last for hours and its client may be the slow one.
    pub fn relapse(&self, now: Instant) {
        self.breaker.settle(self.generation, Outcome::Failure, now);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.abandon();
    }
}
