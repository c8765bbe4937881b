//! The fast way: folded from what is remembered, and committed in a single round trip.

use std::time::Instant;

use super::answer::Done;
use super::{CommitError, Settler, State, within};
use crate::posting::command::{Unit, Work};
use crate::posting::error::Moved;
use crate::posting::metrics::Phase;
use crate::posting::postgres::Statement;
use crate::posting::rows::{Committed, Found, Rows, free, sorted_keys};
use crate::posting::settle::Lane;

/// Accounts kept between batches, so that a batch usually needs no read. About 200 bytes each.
const REMEMBERED_ACCOUNTS: usize = 50_000;

/// How often a batch is folded from what is remembered before it is folded under lock, which always comes to an end.
const ATTEMPTS: u32 = 4;

impl Settler {
    /// Commits in a single round trip, in which the database checks under lock that what was remembered is true. When it
    /// is not, what has moved is read, and the same is tried again: another process may write to the same ledger. `None`
    /// where the back-end has no round trips to save, and where exchanges need locks of their own.
    pub(super) async fn fast(&mut self, units: &[Unit]) -> Result<Option<Done>, CommitError> {
        if self.state.accounts.len() > REMEMBERED_ACCOUNTS {
            self.state = State::default();
        }
        if matches!(self.lane, Lane::Sqlite(_)) || units.iter().any(|unit| matches!(unit.work, Work::Exchange(_))) {
            return Ok(None);
        }
        let mut taken = if self.replays.expected(self.started) { self.look_up_keys(units).await? } else { Vec::new() };
        for attempt in 1.. {
            match self.attempt(units, &taken).await {
                Ok((rows, committed)) => return Ok(Some(Done { rows, committed, taken })),
                Err(CommitError::Stale(moved)) if attempt < ATTEMPTS && moved != Moved::Instant => {
                    self.metrics.refolded();
                    tracing::debug!(?moved, units = units.len(), "a batch is folded again");
                    self.forget(units);
                    if moved == Moved::Key {
                        taken = self.look_up_keys(units).await?;
                        self.replays.met(self.started);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn attempt(&mut self, units: &[Unit], taken: &[Found]) -> Result<(Rows, Committed), CommitError> {
        let rows = self.decide(free(units, taken), self.now()).await?;
        let Lane::Postgres(lane) = &mut self.lane else { return Ok((rows, Committed::default())) };
        if rows.is_empty() {
            return Ok((rows, Committed::default()));
        }
        let began = Instant::now();
        let statement = Statement::of(&rows, false);
        self.metrics.phase(Phase::Encoded, began.elapsed());
        let began = Instant::now();
        match within(lane.post(statement)).await {
            Ok(committed) => {
                self.metrics.phase(Phase::Committed, began.elapsed());
                Ok((rows, committed))
            }
            Err(error) => Err(self.undone(error, rows.keys)),
        }
    }

    async fn look_up_keys(&mut self, units: &[Unit]) -> Result<Vec<Found>, CommitError> {
        let Lane::Postgres(lane) = &mut self.lane else { return Ok(Vec::new()) };
        let keys: Vec<_> = sorted_keys(units).into_iter().map(|(key, _)| key.0).collect();
        within(lane.look_up(&keys)).await
    }
}
