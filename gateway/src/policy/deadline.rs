//! The end of an exchange: counted from its first byte, told to upstreams, and held to.

use std::time::{Duration, Instant};

use shared::problem::{Code, Problem};

/// The most that is kept back for the way of an answer.
const MARGIN: Duration = Duration::from_millis(50);

/// When an exchange must be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    start: Instant,
    end: Option<Instant>,
}

impl Deadline {
    /// `timeout` after `start`; `None`: never.
    #[must_use]
    pub fn new(start: Instant, timeout: Option<Duration>) -> Self {
        Self { start, end: timeout.and_then(|timeout| start.checked_add(timeout)) }
    }

    /// The instant, if there is one.
    #[must_use]
    pub const fn instant(self) -> Option<Instant> {
        self.end
    }

    /// Whether somebody who was waited for since `since`, up to the end, had a fair share of the time: half of it. Else
    /// it was spent by others, and that the end has passed says nothing about them.
    #[must_use]
    pub fn was_fair(self, since: Instant) -> bool {
        self.end.is_none_or(|end| (end.saturating_duration_since(since)) * 2 >= end - self.start)
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
    /// # Errors
    /// 504 `gateway_timeout`.
    pub async fn hold<T>(self, work: impl Future<Output = T>) -> Result<T, Problem> {
        match self.end {
            None => Ok(work.await),
            Some(end) => {
                tokio::time::timeout_at(end.into(), work).await.map_err(|_| Problem::new(Code::GatewayTimeout))
            }
        }
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
}
