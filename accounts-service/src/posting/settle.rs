//! From a drained batch to an answer for each of its units, whatever the database does meanwhile.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::clock::Clock;

use super::command::{Answer, Failure, Unit};
use super::doubt::Doubt;
use super::error::CommitError;
use super::fold::fold;
use super::metrics::Metrics;
use super::postgres::PostgresLane;
use super::queue::InFlight;
use super::rows::{Found, Rows};
use super::sqlite::SqliteLane;
use super::state::{Account, State};

/// Accounts kept between batches, so that a batch usually needs no read. About 200 bytes each.
const REMEMBERED_ACCOUNTS: usize = 50_000;

/// How often a batch is run again before its requests are told 503.
const ATTEMPTS: u32 = 7;

/// The pause after the first attempt that a lost connection or a hindered database ended; it doubles each time, to
/// about 6 s in all.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long the database may take over one step of a commit. Longer counts as a lost connection.
const PATIENCE: Duration = Duration::from_secs(30);

async fn within<T>(step: impl Future<Output = Result<T, CommitError>>) -> Result<T, CommitError> {
    let elapsed = |_| CommitError::Lost(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    tokio::time::timeout(PATIENCE, step).await.map_err(elapsed)?
}

/// One connection that commits.
pub(super) enum Lane {
    Postgres(PostgresLane),
    Sqlite(SqliteLane),
}

impl Lane {
    /// BEGIN, claim the keys, look up the losers, lock the accounts, lock the chain's head: the truth, held still.
    async fn hold(&mut self, units: &[Unit]) -> Result<Held, CommitError> {
        match self {
            Self::Postgres(lane) => lane.hold(units).await,
            Self::Sqlite(lane) => lane.hold(units).await,
        }
    }

    /// Writes what was folded from the truth held still, and commits.
    async fn finish(&mut self, rows: &Rows) -> Result<(), CommitError> {
        match self {
            Self::Postgres(lane) => lane.finish(rows).await,
            Self::Sqlite(lane) => lane.finish(rows).await,
        }
    }

    /// Lets go of whatever a failed attempt holds.
    async fn release(&mut self, error: &CommitError) {
        match self {
            Self::Postgres(lane) => lane.release(error).await,
            Self::Sqlite(lane) => lane.release(error).await,
        }
    }
}

/// What [`Lane::hold`] found: keys that were taken, accounts as they are, and the chain's last instant.
pub(super) struct Held {
    pub taken: Vec<Found>,
    pub accounts: Vec<Account>,
    pub committed_at: i64,
}

/// Runs batches, one after the other.
pub(super) struct Settler {
    lane: Lane,
    running: Arc<InFlight>,
    clock: Clock,
    metrics: Metrics,
    state: State,
    doubt: Doubt,
    last_posted_at: i64,
}

impl Settler {
    pub(super) fn new(lane: Lane, running: Arc<InFlight>, clock: Clock, metrics: Metrics) -> Self {
        let (state, doubt) = (State::default(), Doubt::default());
        Self { lane, running, clock, metrics, state, doubt, last_posted_at: 0 }
    }

    /// Commits `units` and answers each.
    pub(super) async fn settle(&mut self, units: &[Unit]) {
        let started = Instant::now();
        match self.fast(units).await {
            Ok(Some(rows)) => self.answer(rows, Vec::new()),
            Ok(None) => self.careful(units).await,
            Err(error) => {
                self.metrics.careful();
                tracing::debug!(%error, units = units.len(), "the fast commit did not pass");
                self.lane.release(&error).await;
                self.careful(units).await;
            }
        }
        self.doubt = Doubt::default();
        self.metrics.committed(units.len(), started.elapsed());
    }

    /// Folds from what is remembered and commits in a single round trip, in which the database checks under lock that
    /// what was remembered is true. `None` where the back-end has no round trips to save.
    async fn fast(&mut self, units: &[Unit]) -> Result<Option<Rows>, CommitError> {
        let Lane::Postgres(lane) = &mut self.lane else { return Ok(None) };
        let mut unknown: Vec<_> = units.iter().flat_map(|unit| unit.work.accounts()).collect();
        unknown.retain(|id| self.state.account(*id).is_none());
        if !unknown.is_empty() {
            unknown.sort_unstable();
            unknown.dedup();
            if self.state.len() + unknown.len() > REMEMBERED_ACCOUNTS {
                self.state.clear();
                unknown.extend(units.iter().flat_map(|unit| unit.work.accounts()));
                unknown.sort_unstable();
                unknown.dedup();
            }
            within(lane.read(&unknown)).await?.into_iter().for_each(|account| self.state.put(account));
        }
        let rows = fold(&mut self.state, units.iter(), self.clock.now_micros().max(self.last_posted_at + 1));
        match within(lane.post(&rows)).await {
            Ok(()) => Ok(Some(rows)),
            Err(error) => Err(self.undone(error, rows)),
        }
    }

    /// Design D4 to the letter, for when the fast way did not pass: again when the connection is lost or the database
    /// is hindered, in halves when it refuses.
    async fn careful(&mut self, units: &[Unit]) {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..=ATTEMPTS {
            let error = match self.held(units).await {
                Ok((rows, taken)) => return self.answer(rows, taken),
                Err(error) => error,
            };
            self.lane.release(&error).await;
            match &error {
                CommitError::Stale => {}
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

    async fn held(&mut self, units: &[Unit]) -> Result<(Rows, Vec<Found>), CommitError> {
        self.forget(units);
        let held = within(self.lane.hold(units)).await?;
        held.accounts.iter().for_each(|account| self.state.put(*account));
        let taken: HashSet<_> = held.taken.iter().map(|found| found.digest).collect();
        let won = units.iter().filter(|unit| !taken.contains(&unit.key));
        let posted_at = self.clock.now_micros().max(self.last_posted_at + 1).max(held.committed_at + 1);
        let rows = fold(&mut self.state, won, posted_at);
        match within(self.lane.finish(&rows)).await {
            Ok(()) => Ok((rows, self.judge(units, held.taken))),
            Err(error) => Err(self.undone(error, rows)),
        }
    }

    /// An attempt that came to no good end; of a lost one nobody knows whether it was committed.
    fn undone(&mut self, error: CommitError, rows: Rows) -> CommitError {
        self.doubt.remember(&error, rows.keys);
        error
    }

    /// Keys that hold another request are refused here; the rest are replays.
    fn judge(&self, units: &[Unit], taken: Vec<Found>) -> Vec<Found> {
        let asked: HashMap<_, _> = units.iter().map(|unit| (unit.key, unit.fingerprint)).collect();
        let (same, other): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|found| asked.get(&found.digest) == Some(&found.fingerprint));
        other.iter().for_each(|found| self.running.settle(found.digest, Err(Failure::KeyReused)));
        same
    }

    /// A taken key is a replay, unless it was this batch that took it, in an attempt whose reply was lost.
    fn answer(&mut self, rows: Rows, taken: Vec<Found>) {
        self.last_posted_at = rows.posted_at;
        for key in rows.keys {
            self.running.settle(key.digest, Ok(Answer { outcome: key.outcome, replayed: false }));
        }
        for found in taken {
            let replayed = !self.doubt.wrote(&found);
            self.running.settle(found.digest, Ok(Answer { outcome: found.outcome, replayed }));
        }
    }

    fn fail(&mut self, units: &[Unit], failure: Failure) {
        self.metrics.failed(units.len());
        self.forget(units);
        units.iter().for_each(|unit| self.running.settle(unit.key, Err(failure)));
    }

    /// What a failed attempt folded is not what the database holds.
    fn forget(&mut self, units: &[Unit]) {
        units.iter().flat_map(|unit| unit.work.accounts()).for_each(|id| self.state.forget(id));
    }

    /// Says good-bye to the database.
    pub(super) async fn close(self) {
        match self.lane {
            Lane::Postgres(lane) => lane.close().await,
            Lane::Sqlite(lane) => lane.close().await,
        }
    }
}
