//! From a drained batch to an answer for each of its units, whatever the database does meanwhile.

mod answer;
mod careful;
mod fast;
mod lane;
mod replays;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::clock::Clock;

use super::command::Unit;
use super::core::{Need, State};
use super::doubt::Doubt;
use super::error::CommitError;
use super::fold::fold;
use super::metrics::{Metrics, Phase};
use super::queue::InFlight;
use super::rest::read::{NeverWritten, Wanted};
use super::rows::{KeyRow, Rows};
use crate::db::Month;
use replays::Replays;

pub(super) use lane::{Held, Lane, Loaded};

/// How long the database may take over one step of a commit. Longer counts as a lost connection.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn within<T>(step: impl Future<Output = Result<T, CommitError>>) -> Result<T, CommitError> {
    let elapsed = |_| CommitError::Lost(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(PATIENCE, step).await.map_err(elapsed)?
}

/// Runs batches, one after the other.
pub(super) struct Settler {
    lane: Lane,
    running: Arc<InFlight>,
    clock: Clock,
    metrics: Metrics,
    state: State,
    doubt: Doubt,
    /// The instant of the last batch.
    last_at: i64,
    replays: Replays,
    /// The month that positions are taken from, if they are not past it.
    month: Month,
    /// When the batch was drained.
    started: Instant,
}

impl Settler {
    pub(super) fn new(lane: Lane, running: Arc<InFlight>, clock: Clock, metrics: Metrics) -> Self {
        let (state, doubt) = (State::default(), Doubt::default());
        Self {
            lane,
            running,
            clock,
            metrics,
            state,
            doubt,
            last_at: 0,
            replays: Replays::default(),
            month: Month::default(),
            started: Instant::now(),
        }
    }

    /// Commits `units` and answers each.
    pub(super) async fn settle(&mut self, units: &[Unit]) {
        self.started = Instant::now();
        self.turn_month().await;
        match self.fast(units).await {
            Ok(Some(done)) => self.answer(units, done),
            Ok(None) => self.careful(units).await,
            Err(error) => {
                self.metrics.careful();
                tracing::debug!(%error, units = units.len(), "the fast commit did not pass");
                self.lane.release(&error).await;
                self.careful(units).await;
            }
        }
        self.doubt = Doubt::default();
    }

    /// Sees to it that the month that begins has its tables. They are made long before; but a clock may leap. Positions
    /// go on in the month before as long as it has none.
    async fn turn_month(&mut self) {
        let month = Month::at(self.now());
        if month == self.month {
            return;
        }
        match within(self.lane.open_month(month)).await {
            Ok(()) => self.month = month,
            Err(error) => {
                tracing::warn!(%error, ?month, "the tables of a month could not be made");
                self.lane.release(&error).await;
            }
        }
    }

    /// Folds at `now`, looking up whatever turns out to be missing.
    async fn decide<'a>(
        &mut self,
        units: impl Iterator<Item = &'a Unit> + Clone,
        now: i64,
    ) -> Result<Rows, CommitError> {
        let began = Instant::now();
        let mut needs: Vec<_> = units.clone().flat_map(|unit| unit.work.needs()).collect();
        needs.retain(|need| !self.state.knows(need));
        loop {
            self.look_up(&needs, now).await?;
            let looked = needs;
            needs = match fold(&mut self.state, units.clone(), now) {
                Ok(mut rows) => {
                    rows.month_start = self.month.base();
                    self.metrics.phase(Phase::Folded, began.elapsed());
                    return Ok(rows);
                }
                Err(missing) => missing,
            };
            needs.retain(|need| !self.state.knows(need));
            // What was just looked up and is as unknown as before would be looked for without end.
            if needs.is_empty() || needs == looked {
                return Err(CommitError::Corrupt("what is known and missing"));
            }
        }
    }

    /// Tells the state what the ledger holds of `needs`. Accounts first: their versions guard what else changes, so that
    /// may be newer than they are and never older.
    async fn look_up(&mut self, needs: &[Need], now: i64) -> Result<(), CommitError> {
        if needs.iter().any(|need| matches!(need, Need::Account(_))) {
            within(self.lane.load(needs)).await?.teach(&mut self.state, needs);
        }
        let wanted = Wanted::of(needs, now);
        if wanted.is_empty() {
            return Ok(());
        }
        let looked = within(self.lane.look(&wanted)).await?;
        looked.teach(&mut self.state, needs, now).map_err(|NeverWritten(what)| CommitError::Corrupt(what))
    }

    /// The instant to decide at: after the last batch, whatever the clock says.
    fn now(&self) -> i64 {
        self.clock.now_micros().max(self.last_at + 1)
    }

    /// An attempt that came to no good end; of a lost one nobody knows whether it was committed.
    fn undone(&mut self, error: CommitError, keys: Vec<KeyRow>) -> CommitError {
        self.doubt.remember(&error, keys);
        error
    }

    /// What a failed attempt folded is not what the database holds.
    fn forget(&mut self, units: &[Unit]) {
        let needs = units.iter().flat_map(|unit| unit.work.needs());
        let accounts: Vec<_> = needs.flat_map(|need| self.state.accounts_of(&need)).collect();
        accounts.into_iter().for_each(|id| self.state.forget(id));
        self.state.forget_changed();
    }

    /// Says good-bye to the database.
    pub(super) async fn close(self) {
        self.lane.close().await;
    }
}
