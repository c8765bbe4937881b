//! The end of an exchange: counted from its first byte, told to upstreams, and held to.

use std::time::{Duration, Instant};

use shared::problem::{Code, Problem};

/// When an exchange must be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// `timeout` after `start`; `None`: never.
    #[must_use]
    pub fn new(start: Instant, timeout: Option<Duration>) -> Self {
        Self(timeout.and_then(|timeout| start.checked_add(timeout)))
    }

    /// The instant, if there is one.
    #[must_use]
    pub const fn instant(self) -> Option<Instant> {
        self.0
    }

    /// What is left, in whole milliseconds, as upstreams are told.
    #[must_use]
    pub fn millis_left(self, now: Instant) -> Option<u64> {
        let left = self.0?.saturating_duration_since(now);
        Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
    }

    /// Waits for `work`, but not beyond the end.
    ///
    /// # Errors
    /// 504 `gateway_timeout`.
    pub async fn hold<T>(self, work: impl Future<Output = T>) -> Result<T, Problem> {
        match self.0 {
            None => Ok(work.await),
            Some(end) => {
                tokio::time::timeout_at(end.into(), work).await.map_err(|_| Problem::new(Code::GatewayTimeout))
            }
        }
    }
}
