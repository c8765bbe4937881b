//! The careful way, design D4 to the letter: claim, lock, fold, write, commit.

use std::time::{Duration, Instant};

use super::answer::Done;
use super::{CommitError, Settler, within};
use crate::posting::command::{Failure, Unit};
use crate::posting::core::Need;
use crate::posting::metrics::Phase;
use crate::posting::rows::free;

/// How often a batch is run again before its requests are told 503.
const ATTEMPTS: u32 = 7;

/// The pause after the first attempt that a lost connection or a hindered database ended; it doubles each time, to
/// about 6 s in all.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

impl Settler {
    /// For when the fast way did not pass: again when the connection is lost or the database is hindered, in halves when
    /// it refuses.
    pub(super) async fn careful(&mut self, units: &[Unit]) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let error = match self.held(units).await {
                Ok(done) => return self.answer(units, done),
                Err(error) => error,
            };
            self.lane.release(&error).await;
            match &error {
                CommitError::Stale(_) => {}
                CommitError::Lost(cause) => {
                    tracing::warn!(%cause, attempt, "the posting engine lost its database");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                CommitError::Hindered(cause) => {
                    tracing::warn!(%cause, attempt, "the posting engine's database takes no batch now");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                CommitError::Refused(_) | CommitError::Corrupt(_) => {
                    return self.bisect(units, &error).await;
                }
            }
        }
        self.fail(units, Failure::Unavailable);
    }

    /// One of the batch is at fault: the halves are run on their own, down to the single request that gets the 500.
    async fn bisect(&mut self, units: &[Unit], error: &CommitError) {
        tracing::error!(%error, units = units.len(), "a commit batch was refused");
        if units.len() <= 1 {
            return self.fail(units, Failure::Internal);
        }
        let (left, right) = units.split_at(units.len() / 2);
        Box::pin(self.careful(left)).await;
        Box::pin(self.careful(right)).await;
    }

    async fn held(&mut self, units: &[Unit]) -> Result<Done, CommitError> {
        self.forget(units);
        // Transfers that are named never change, and tell whose accounts have to be locked.
        let named: Vec<_> = units.iter().flat_map(|unit| unit.work.needs()).collect();
        let named: Vec<_> = named.into_iter().filter(|need| matches!(need, Need::Original(_))).collect();
        self.look_up(&named, 0).await?;
        let taken = within(self.lane.claim(units)).await?;
        let asked: Vec<_> = free(units, &taken).flat_map(|unit| unit.work.needs()).collect();
        let accounts = asked.iter().flat_map(|need| self.state.accounts_of(need)).map(Need::Account);
        let rates = asked.iter().filter(|need| matches!(need, Need::Rate(_))).cloned();
        let needs: Vec<_> = accounts.chain(rates).collect();
        let held = within(self.lane.hold(&needs)).await?;
        held.loaded.teach(&mut self.state, &needs);
        let now = self.now().max(held.committed_at + 1);
        let rows = self.decide(free(units, &taken), now).await?;
        let began = Instant::now();
        match within(self.lane.finish(&rows)).await {
            Ok(committed) => {
                self.metrics.phase(Phase::Committed, began.elapsed());
                Ok(Done { rows, committed, taken })
            }
            Err(error) => Err(self.undone(error, rows.keys)),
        }
    }
}
