//! The end of an exchange: counted from its first byte, told to upstreams, and held to.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use shared::problem::{Code, Problem};

/// The most that is kept back for the way of an answer.
const MARGIN: Duration = Duration::from_millis(50);

/// Longer than any exchange lasts.
const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);

/// When an exchange must be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    start: Instant,
    /// What the route gives.
    given: Option<Duration>,
    end: Option<Instant>,
}

impl Deadline {
    /// `timeout` after `start`; `None`: never.
    #[must_use]
    pub fn new(start: Instant, timeout: Option<Duration>) -> Self {
        Self { start, given: timeout, end: timeout.and_then(|timeout| start.checked_add(timeout)) }
    }

    /// The same, but not beyond what a gateway before us has left of its own.
    #[must_use]
    pub fn within(self, left: Option<Duration>) -> Self {
        let theirs = left.and_then(|left| self.start.checked_add(left));
        match theirs.filter(|theirs| self.end.is_none_or(|end| *theirs < end)) {
            Some(theirs) => Self { end: Some(theirs), ..self },
            None => self,
        }
    }

    /// The instant, if there is one.
    #[must_use]
    pub const fn instant(self) -> Option<Instant> {
        self.end
    }

    /// Whether somebody who was waited for since `since`, up to the end, had a fair share of the time that the route gives:
    /// half of it. Else it was spent by others, and that the end has passed says nothing about them. Where somebody before
    /// us has shortened it, only nearly all of it is fair: what a gateway like ours leaves, and no client can make short.
    /// Where the route gives any time, no end is a fair one.
    #[must_use]
    pub fn was_fair(self, since: Instant) -> bool {
        let Some(end) = self.end else { return true };
        self.given.is_some_and(|given| {
            let is_shortened = end.saturating_duration_since(self.start) < given;
            let tenths = if is_shortened { 9 } else { 5 };
            end.saturating_duration_since(since).saturating_mul(10) >= given.saturating_mul(tenths)
        })
    }

    /// What is left, in whole milliseconds, as upstreams are told: less a margin, so that an upstream that uses all of it
    /// is still heard.
    #[must_use]
    pub fn millis_left(self, now: Instant) -> Option<u64> {
        let left = self.end?.saturating_duration_since(now);
        let told = left.saturating_sub((left / 20).min(MARGIN));
        Some(u64::try_from(told.as_millis()).unwrap_or(u64::MAX))
    }

    /// Waits for `work`, but not beyond the end.
    ///
    /// Not an `async fn`: that would have room for `work` twice, in every request.
    ///
    /// # Errors
    /// 504 `gateway_timeout`.
    pub fn hold<W: Future>(self, work: W) -> impl Future<Output = Result<W::Output, Problem>> {
        let end = self.end.unwrap_or_else(|| Instant::now() + NEVER);
        tokio::time::timeout_at(end.into(), work).map(|done| done.map_err(|_| Problem::new(Code::GatewayTimeout)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_time_is_a_fair_share() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let deadline = Deadline::new(start, Some(10 * second));
        assert!(deadline.was_fair(start + 5 * second));
        assert!(!deadline.was_fair(start + 6 * second));
        assert!(!deadline.was_fair(start + 11 * second));
        assert!(Deadline::new(start, None).was_fair(start + 11 * second));
    }

    #[test]
    fn who_came_before_may_shorten_it_and_never_lengthen_it() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let ours = Deadline::new(start, Some(10 * second));
        assert_eq!(ours.within(None), ours);
        assert_eq!(ours.within(Some(11 * second)), ours);
        let theirs = ours.within(Some(2 * second));
        assert_eq!(theirs.instant(), Some(start + 2 * second));
        assert!(!theirs.was_fair(start), "an upstream that had less time than the route gives has not failed");
        let endless = Deadline::new(start, None).within(Some(second));
        assert_eq!(endless.instant(), Some(start + second));
        assert!(!endless.was_fair(start));
        // A gateway in front with the same timeout has a little less left; the upstream hangs all the same.
        let chained = ours.within(Some(10 * second - MARGIN));
        assert!(chained.was_fair(start) && chained.was_fair(start + 9 * second / 10));
        assert!(!chained.was_fair(start + second));
        assert!(!ours.within(Some(6 * second)).was_fair(start), "or whoever can say how long fails the upstream");
    }
}
