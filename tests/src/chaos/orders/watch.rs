//! What happens to orders meanwhile: hours pass at once, and in the end every date has to have its outcome.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shared::clock::Clock;
use sqlx::PgConnection;

use super::Orders;
use crate::backends::connect;
use crate::ledger::History;
use crate::ledger::checker::Violation;
use crate::ledger::record::Record;
use crate::ledger::standing::{Kept, Run, State, judge, told};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// A look that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long orders may take when all is well again: a lease that somebody died with, and what is due then.
const SETTLE: Duration = Duration::from_secs(240);
/// How long a lease lasts that nobody cuts short, in microseconds.
const LEASE: i64 = 60_000_000;
/// What takes longer than this has met something that broke, or much else to do; in microseconds.
const LONG: i64 = 1_000_000;

/// Who waits for another try does not wait for an hour; in the end ($2) whoever was put back does not wait either.
const AGAIN: &str = "UPDATE standing_orders SET next_at = $1 \
                     WHERE next_at > $1 AND (next_attempt > 1 OR next_due_on <= $2)";
const CUT_SHORT: &str = "UPDATE standing_orders SET leased_until = $1 WHERE leased_until > $1 AND leased_until <= $2";

const KEPT: &str = "SELECT id::text, status, next_due_on, next_attempt, runs FROM standing_orders";
const RUNS: &str = "SELECT order_id::text, due_on, attempt, state, code, transfer_id::text, started_at, \
                    coalesce(ended_at, started_at) FROM standing_order_runs";

/// Hours that pass at once while everything breaks.
#[derive(Debug)]
pub(in crate::chaos) struct Watch {
    on: Arc<AtomicBool>,
    lease: Option<Duration>,
    url: String,
    task: tokio::task::JoinHandle<()>,
}

/// How many orders there were, and what came of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Orders.
    pub orders: usize,
    /// Runs by how they ended; those that were not the first of their date, and those that took their time.
    pub runs: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn of(orders: usize, all: &[Run]) -> Self {
        let mut runs = BTreeMap::new();
        for run in all {
            let ended = match run.state {
                State::Posted(_) => "posted",
                State::Declined(_) => "declined",
                State::Skipped => "skipped",
                State::Other(_) => "unfinished",
            };
            let again = (run.attempt > 1).then_some("tried again");
            let long = (run.ended_at - run.started_at > LONG).then_some("under way for more than a second");
            for what in [Some(ended), again, long].into_iter().flatten() {
                *runs.entry(what).or_default() += 1;
            }
        }
        Self { orders, runs }
    }
}

impl Watch {
    /// Begins; a lease that is older than `lease` counts no more.
    pub(in crate::chaos) fn start(url: &str, lease: Option<Duration>) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        let (going, ledger) = (Arc::clone(&on), url.to_owned());
        let task = tokio::spawn(async move {
            while going.load(Ordering::SeqCst) {
                tokio::time::sleep(PAUSE).await;
                // No answer is nothing: it is broken on purpose.
                drop(tokio::time::timeout(PATIENCE, look(&ledger, lease, "")).await);
            }
        });
        Self { on, lease, url: url.to_owned(), task }
    }

    /// Waits until nothing is due any more, or has been for too long: then it is found missing.
    ///
    /// # Panics
    /// When the task of the watch has.
    pub(in crate::chaos) async fn settle(self, orders: &Orders) {
        self.on.store(false, Ordering::SeqCst);
        self.task.await.expect("the watch runs");
        let (until, deadline) = (orders.until.to_string(), Instant::now() + SETTLE);
        while Instant::now() < deadline {
            let kept = look(&self.url, self.lease, &until).await.unwrap_or_default();
            if !kept.is_empty() && kept.iter().all(|order| order.rests(orders.until)) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Lets time pass for whoever waits, and reads how orders stand.
async fn look(url: &str, lease: Option<Duration>, until: &str) -> Result<Vec<Kept>, sqlx::Error> {
    let (mut connection, now) = (connect(url).await?, Clock::system().now_micros());
    sqlx::query(AGAIN).bind(now).bind(until).execute(&mut connection).await?;
    if let Some(lease) = lease {
        let older = now + LEASE - i64::try_from(lease.as_micros()).unwrap_or(LEASE);
        sqlx::query(CUT_SHORT).bind(now).bind(older).execute(&mut connection).await?;
    }
    kept(&mut connection).await
}

async fn kept(connection: &mut PgConnection) -> Result<Vec<Kept>, sqlx::Error> {
    type Row = (String, String, Option<String>, i32, i32);
    let rows: Vec<Row> = sqlx::query_as(KEPT).fetch_all(connection).await?;
    let kept = |(id, status, next_due_on, next_attempt, runs): Row| {
        let runs = usize::try_from(runs).unwrap_or_default();
        Kept { id, status, next_due_on, next_attempt, runs }
    };
    Ok(rows.into_iter().map(kept).collect())
}

async fn runs(connection: &mut PgConnection) -> Result<Vec<Run>, sqlx::Error> {
    type Row = (String, String, i32, String, Option<String>, Option<String>, i64, i64);
    let rows: Vec<Row> = sqlx::query_as(RUNS).fetch_all(connection).await?;
    let run = |(order, due_on, attempt, state, code, transfer, started_at, ended_at): Row| {
        let state = match (state.as_str(), code, transfer) {
            ("posted", None, Some(id)) => State::Posted(id),
            ("declined", Some(code), None) => State::Declined(code),
            ("skipped", None, None) => State::Skipped,
            (_, code, transfer) => State::Other(format!("{state} {code:?} {transfer:?}")),
        };
        Run { order, due_on, attempt, state, started_at, ended_at }
    };
    Ok(rows.into_iter().map(run).collect())
}

/// What is there of orders in the end.
#[derive(Debug)]
pub(in crate::chaos) struct Done {
    kept: Vec<Kept>,
    runs: Vec<Run>,
}

impl Orders {
    /// Reads what is there of them.
    pub(in crate::chaos) async fn read(&self, url: &str) -> Result<Done, sqlx::Error> {
        let mut connection = connect(url).await?;
        Ok(Done { kept: kept(&mut connection).await?, runs: runs(&mut connection).await? })
    }

    /// The history with every run in it, as a question of the order's owner.
    pub(in crate::chaos) fn told(&self, history: &History, done: &Done) -> History {
        told(history, &self.all, &done.runs)
    }

    /// Judges every date and every transfer, and counts them.
    pub(in crate::chaos) fn judge(&self, done: &Done, closing: &Record) -> (Tally, Vec<Violation>) {
        let made: Vec<_> = closing.transfers().collect();
        let found = judge(&self.all, &done.kept, &done.runs, &made, self.until);
        (Tally::of(self.all.len(), &done.runs), found)
    }
}
