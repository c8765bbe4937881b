//! How fast a body comes. A client is charged only for the time that it was waited for: a gateway or an upstream that
//! takes its time makes nobody slow.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::listener::manners::BodyPatience;

/// One body's pace.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Since when nothing has come although it was wanted.
    since: Option<Instant>,
    /// How long this has been so altogether, before that.
    waited: Duration,
    bytes: u64,
    end: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// Nothing has come. Ready when that has lasted too long.
    pub(super) fn poll(&mut self, patience: BodyPatience, context: &mut Context<'_>) -> Poll<()> {
        if patience.timeout.is_zero() {
            return Poll::Pending;
        }
        if self.since.is_none() {
            let now = Instant::now();
            self.since = Some(now);
            let end = now + self.left(patience);
            match &mut self.end {
                Some(sleep) => sleep.as_mut().reset(end),
                None => self.end = Some(Box::pin(tokio::time::sleep_until(end))),
            }
        }
        ready!(self.end.as_mut().map_or(Poll::Pending, |end| end.as_mut().poll(context)));
        Poll::Ready(())
    }

    /// What the client may still be waited for: `timeout` at once, and no more in all than it has bought.
    fn left(&self, patience: BodyPatience) -> Duration {
        let Some(seconds) = self.bytes.checked_div(patience.rate) else { return patience.timeout };
        let bought = patience.timeout.saturating_add(Duration::from_secs(seconds));
        bought.saturating_sub(self.waited).min(patience.timeout)
    }

    /// Something of it has come.
    pub(super) fn came(&mut self, bytes: usize) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// The next body begins.
    pub(super) fn reset(&mut self) {
        // The timer is let go: an idle connection keeps none.
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const PATIENCE: BodyPatience = BodyPatience { timeout: Duration::from_secs(20), rate: 240 };

    async fn waits(pace: &mut Pace, patience: BodyPatience) -> Duration {
        let begun = Instant::now();
        poll_fn(|context| pace.poll(patience, context)).await;
        begun.elapsed()
    }

    /// A byte every `step`: after how long it is too slow.
    async fn trickle(step: Duration, bytes: usize) -> Duration {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        while tokio::time::timeout(step, waits(&mut pace, PATIENCE)).await.is_err() {
            pace.came(bytes);
            if begun.elapsed() > Duration::from_secs(3600) {
                break;
            }
        }
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_or_trickles_is_left_and_a_steady_one_is_not() {
        assert_eq!(waits(&mut Pace::default(), PATIENCE).await.as_secs(), 20, "nothing comes");
        assert!(trickle(Duration::from_secs(1), 1).await.as_secs() <= 21, "a byte a second buys next to nothing");
        let half = trickle(Duration::from_secs(1), 120).await.as_secs();
        assert!((36..=42).contains(&half), "half of the rate, twice the time: {half}");
        assert!(trickle(Duration::from_secs(1), 250).await.as_secs() >= 3600, "as fast as it must be");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_beginning_buys_no_long_stall() {
        let mut pace = Pace::default();
        pace.came(1 << 30);
        assert_eq!(waits(&mut pace, PATIENCE).await.as_secs(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_each_piece_has_its_time_and_without_a_timeout_all() {
        let (mut pace, patience) = (Pace::default(), BodyPatience { rate: 0, ..PATIENCE });
        for _ in 0..10 {
            let slow = tokio::time::timeout(Duration::from_secs(19), waits(&mut pace, patience)).await;
            assert!(slow.is_err());
            pace.came(1);
        }
        let mut pace = Pace::default();
        let patience = BodyPatience { timeout: Duration::ZERO, rate: 0 };
        assert!(tokio::time::timeout(Duration::from_secs(1 << 20), waits(&mut pace, patience)).await.is_err());
    }
}
