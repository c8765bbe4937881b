//! The worker: begins what is due, has the engine pay it, and writes down what came of it.
//!
//! Any number of processes may run one. A lease keeps them from doing the same work; that nothing is paid twice rests on the
//! key of an attempt alone, so that clocks, leases and crashes may do what they like.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use sea_orm::{DatabaseTransaction, EntityTrait, TransactionTrait};
use shared::clock::Clock;

use super::attempt::{Attempt, conclude, outcome};
use super::error::StandingError;
use super::model::{day, schedule};
use super::progress::{Outcome, pass};
use super::store;
use crate::db::entity::{standing_order, standing_order_run};
use crate::db::{Database, is_passing};
use crate::posting::Engine;

/// Orders taken at once, and paid side by side.
const AT_ONCE: u64 = 16;

/// How long an order is nobody else's, in microseconds: longer than the engine takes over a payment when all is well.
const LEASE: i64 = 60_000_000;

/// How long an order that fails waits at most, in microseconds; at first as long as a lease.
const LONGEST_PAUSE: i64 = 3_600_000_000;

/// Dates that are made up for after a time in which nobody was there; older ones are skipped.
const MOST_MISSED: usize = 31;

/// Dates skipped in one transaction.
const SKIPPED_AT_ONCE: usize = 100;

/// What a worker needs.
#[derive(Clone)]
pub struct Worker {
    /// Orders and runs.
    pub db: Database,
    /// What pays.
    pub engine: Engine,
    /// Time.
    pub clock: Clock,
    /// What it tells.
    pub metrics: Metrics,
}

/// Runs by how they ended.
#[derive(Clone, Debug)]
pub struct Metrics(Family<Ended, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

impl Metrics {
    /// Makes them and lists them in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let runs = Family::default();
        registry.register("standing_order_runs", "Dates of standing orders, by what came of them", runs.clone());
        let metrics = Self(runs);
        // Shown as 0 from the start, so that whoever watches sees the first one.
        ["posted", "declined", "skipped", "stuck"].into_iter().for_each(|outcome| metrics.count(outcome, 0));
        metrics
    }

    fn count(&self, outcome: &'static str, runs: u64) {
        self.0.get_or_create(&Ended { outcome }).inc_by(runs);
    }
}

impl Worker {
    /// Works until dropped, and looks again at every `poll` when nothing is due.
    pub async fn run(self, poll: Duration) {
        let mut ticks = tokio::time::interval(poll);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            loop {
                match self.round().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "standing orders wait; they will be looked at again");
                        break;
                    }
                }
            }
        }
    }

    /// Carries out what is due, at most so much as goes side by side: whether anything moved on.
    ///
    /// # Errors
    /// When a statement fails; what was begun by then is taken up again when its lease is over.
    pub async fn round(&self) -> Result<bool, StandingError> {
        if !store::any_due(&self.db, self.clock.now_micros()).await? {
            return Ok(false);
        }
        let begun = self.begin().await?;
        let mut moved = begun.moved;
        let paid = iter(begun.attempts).map(|attempt| async move { self.carry_out(&attempt).await });
        let paid: Vec<_> = paid.buffer_unordered(usize::try_from(AT_ONCE).unwrap_or(1)).collect().await;
        for concluded in paid {
            match concluded {
                Ok(concluded) => moved |= concluded,
                Err(StandingError::Database(error)) if is_passing(&error) => return Err(error.into()),
                // It is taken up again when its lease is over.
                Err(error) => {
                    tracing::error!(%error, "what came of a standing order cannot be written down");
                    self.metrics.count("stuck", 1);
                }
            }
        }
        Ok(moved)
    }

    /// Leases what is due and writes down that an attempt is under way: whoever dies from now on leaves a trace. An order
    /// that fails is put back, and keeps no other from being paid.
    pub async fn begin(&self) -> Result<Begun, StandingError> {
        let now = self.clock.now_micros();
        let tx = self.db.write().await?;
        let mut begun = Begun::default();
        for order in store::due(&tx, (now, 2 * LEASE), AT_ONCE).await? {
            // What fails undoes this one's alone.
            let own = tx.begin().await?;
            match ready(&own, order.clone(), now).await {
                Ok(ready) => {
                    own.commit().await?;
                    begun.take(ready, &self.metrics);
                }
                Err(error) => {
                    own.rollback().await?;
                    self.put_back(&tx, order, (error, now)).await?;
                    begun.moved = true;
                }
            }
        }
        tx.commit().await?;
        Ok(begun)
    }

    /// Has an order looked at again later: the longer it has failed, the later. What is the database's own trouble is
    /// everybody's, and ends the round.
    async fn put_back(
        &self,
        tx: &DatabaseTransaction,
        mut order: standing_order::Model,
        (error, now): (StandingError, i64),
    ) -> Result<(), StandingError> {
        if matches!(&error, StandingError::Database(error) if is_passing(error)) {
            return Err(error);
        }
        tracing::error!(%error, order = %order.id, "a standing order is stuck");
        self.metrics.count("stuck", 1);
        let due = due_at(&order).unwrap_or(order.updated_at).max(order.updated_at);
        order.next_at = Some(now.saturating_add(now.saturating_sub(due).clamp(LEASE, LONGEST_PAUSE)));
        order.leased_until = None;
        // Clients see the instant. When the order was last changed stays: for how long it has failed is reckoned from there.
        order.version = order.version.saturating_add(1);
        store::save(tx, order).await?;
        Ok(())
    }

    /// Has the engine pay, and writes down what came of it: whether anything did.
    async fn carry_out(&self, attempt: &Attempt) -> Result<bool, StandingError> {
        match self.engine.submit(attempt.unit(&self.clock)?).await {
            Ok(answer) => self.write_down(attempt, &outcome(&answer.outcome)).await.map(|()| true),
            Err(failure) => {
                // Whether it was paid may be unknown: the same attempt, under the same key, finds out.
                tracing::warn!(%failure, order = %attempt.order.id, "a standing order was not carried out yet");
                Ok(false)
            }
        }
    }

    /// Writes down how an attempt ended, unless another has done so.
    pub async fn write_down(&self, attempt: &Attempt, outcome: &Outcome) -> Result<(), StandingError> {
        let run = &attempt.run;
        let tx = self.db.write().await?;
        // The order's lock first, as everywhere; then what became of the attempt meanwhile.
        let Some(mut order) = store::lock(&tx, run.order_id).await? else { return Ok(()) };
        let key = (run.order_id, run.due_on.clone(), run.attempt);
        let run = standing_order_run::Entity::find_by_id(key).one(&tx).await?;
        let Some(run) = run.filter(|run| run.state == "running") else { return Ok(()) };
        let events = conclude(&tx, &mut order, run, (outcome, self.clock.now_micros())).await?;
        store::save(&tx, order).await?;
        for event in events {
            event.record(&tx, &self.clock).await?;
        }
        tx.commit().await?;
        self.metrics.count(if matches!(outcome, Outcome::Posted(_)) { "posted" } else { "declined" }, 1);
        Ok(())
    }
}

/// What was begun.
#[derive(Debug, Default)]
pub struct Begun {
    /// Payments to make.
    pub attempts: Vec<Attempt>,
    /// Whether dates were skipped, or orders have another instant now, so that others that are due may have their turn.
    moved: bool,
}

impl Begun {
    fn take(&mut self, ready: Ready, metrics: &Metrics) {
        match ready {
            Ready::Attempt(attempt) => self.attempts.push(*attempt),
            Ready::Skipped(dates) => {
                metrics.count("skipped", dates);
                self.moved = true;
            }
            Ready::NotYet => self.moved = true,
        }
    }
}

enum Ready {
    Attempt(Box<Attempt>),
    Skipped(u64),
    NotYet,
}

/// Makes an order ready and writes it: leased as long as an attempt is under way.
async fn ready(tx: &DatabaseTransaction, mut order: standing_order::Model, now: i64) -> Result<Ready, StandingError> {
    let prepared = prepare(tx, &mut order, now).await?;
    order.leased_until = matches!(prepared, Prepared::Attempt(_)).then(|| now.saturating_add(LEASE));
    let order = store::save(tx, order).await?;
    Ok(match prepared {
        Prepared::Attempt(run) => Ready::Attempt(Box::new(Attempt { order, run })),
        Prepared::Skipped(dates) => Ready::Skipped(dates),
        Prepared::NotYet => Ready::NotYet,
    })
}

/// When an order's next date is, by its rule.
fn due_at(order: &standing_order::Model) -> Option<i64> {
    schedule(order).ok()?.instant(day(order.next_due_on.as_deref()?)?)
}

enum Prepared {
    Attempt(standing_order_run::Model),
    Skipped(u64),
    NotYet,
}

/// Makes an order's next date ready: skips what was missed too long ago, and begins the first that was not.
async fn prepare(
    tx: &DatabaseTransaction,
    order: &mut standing_order::Model,
    now: i64,
) -> Result<Prepared, StandingError> {
    if let Some(run) = store::running(tx, order.id).await? {
        // Begun before, by whoever did not come to its end.
        return Ok(Prepared::Attempt(run));
    }
    let schedule = schedule(order)?;
    let on = order.next_due_on.clone().ok_or(super::model::Corrupt("next_due_on"))?;
    let date = day(&on).ok_or(super::model::Corrupt("next_due_on"))?;
    if order.next_attempt == 1 {
        // The zone's clocks may be set by another rule since the instant was reckoned.
        let at = schedule.instant(date).ok_or(super::model::Corrupt("next_due_on"))?;
        if at > now {
            order.next_at = Some(at);
            super::attempt::touch(order, now);
            return Ok(Prepared::NotYet);
        }
        let missed = std::iter::successors(schedule.after(Some(date)), |due| schedule.after(Some(due.on)));
        let missed = missed.take_while(|due| due.at <= now).take(MOST_MISSED + SKIPPED_AT_ONCE - 1).count() + 1;
        // The last of a bounded order are not followed by others that would be the latest.
        let missed = missed.min(left(order));
        if missed > MOST_MISSED {
            return skip(tx, order, missed - MOST_MISSED, now).await;
        }
    }
    let run = standing_order_run::Model {
        order_id: order.id,
        due_on: on,
        attempt: order.next_attempt,
        state: "running".to_owned(),
        code: None,
        transfer_id: None,
        started_at: now,
        ended_at: None,
    };
    store::begin(tx, run.clone()).await?;
    Ok(Prepared::Attempt(run))
}

/// How many dates an order has left at most.
fn left(order: &standing_order::Model) -> usize {
    let left = order.most_runs.map(|most| usize::try_from(most.saturating_sub(order.runs)).unwrap_or_default());
    left.unwrap_or(usize::MAX)
}

async fn skip(
    tx: &DatabaseTransaction,
    order: &mut standing_order::Model,
    dates: usize,
    now: i64,
) -> Result<Prepared, StandingError> {
    let schedule = schedule(order)?;
    let mut skipped = 0;
    for _ in 0..dates {
        let Some(on) = order.next_due_on.clone() else { break };
        let run = standing_order_run::Model {
            order_id: order.id,
            due_on: on,
            attempt: 1,
            state: "skipped".to_owned(),
            code: None,
            transfer_id: None,
            started_at: now,
            ended_at: Some(now),
        };
        store::begin(tx, run).await?;
        pass(order, &schedule)?;
        skipped += 1;
    }
    super::attempt::touch(order, now);
    Ok(Prepared::Skipped(skipped))
}
