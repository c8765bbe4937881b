//! The service looks at its own ledger, all the time and in bounded pieces: each new batch, accounts in turn and at random,
//! keys at random, and now and then all balances. Of a fleet one process looks, by a lease: another would find the same.

use std::time::Duration;

use sea_orm::DbErr;
use shared::clock::Clock;
use uuid::Uuid;

use super::finding::Findings;
use super::metrics::Metrics;
use super::report::told;
use super::snapshot::Snapshot;
use super::verify::name_batches;
use super::watch::{self, Watch};
use super::{exchanges, follow, keys, pieces};
use crate::config::Invariants;
use crate::db::Database;

/// Violations of one round that are told; all are counted.
const MOST: usize = 100;

/// A lease is that many rounds long, and at least a minute: a slow round is not another process's.
const LEASED_ROUNDS: i64 = 3;
const LEASED_AT_LEAST: i64 = 60_000_000;

/// What is looked at, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time between two rounds.
    pub every: Duration,
    /// Rows that a round reads of the order of commit, about, and as many of accounts' entries.
    pub rows: u32,
    /// Time between two sums of all balances.
    pub sums_every: Duration,
}

impl From<Invariants> for Bounds {
    fn from(set: Invariants) -> Self {
        Self { every: set.sample_every.get(), rows: set.rows, sums_every: set.sums_every.get() }
    }
}

/// Looks at the ledger of one database.
pub struct Sampler {
    /// Where.
    pub db: Database,
    /// Time.
    pub clock: Clock,
    /// How much.
    pub bounds: Bounds,
    /// What a scrape shows of it.
    pub metrics: Metrics,
    holder: Uuid,
}

impl Sampler {
    /// One that has looked at nothing yet.
    #[must_use]
    pub fn new(db: Database, clock: Clock, bounds: Bounds, metrics: Metrics) -> Self {
        Self { db, clock, bounds, metrics, holder: Uuid::new_v4() }
    }

    /// Looks until dropped.
    pub async fn run(self) {
        if self.bounds.every.is_zero() {
            return;
        }
        let mut ticks = tokio::time::interval(self.bounds.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.round().await {
                tracing::warn!(%error, "the ledger was not looked at; it will be tried again");
            }
        }
    }

    /// Looks once, if it is this process's turn: whether it was.
    ///
    /// # Errors
    /// When the database cannot answer; nothing has moved on then.
    pub async fn round(&self) -> Result<bool, DbErr> {
        let now = self.clock.now_micros();
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 8);
        let lease = micros(self.bounds.every).saturating_mul(LEASED_ROUNDS).max(LEASED_AT_LEAST);
        let taken = watch::take(&self.db, self.holder, (now, lease)).await?;
        let turn = taken.is_some();
        if let Some(before) = taken {
            let mut findings = Findings::new(MOST);
            let after = self.look(before, (now, micros(self.bounds.sums_every)), &mut findings).await?;
            let fresh = watch::keep(&self.db, self.holder, (&after, now), &findings).await?;
            for violation in &fresh {
                tracing::error!(
                    invariant = violation.invariant.word(),
                    place = told(violation),
                    "the ledger is not sound: GET /api/v1/admin/invariants, and run `accounts-service verify`"
                );
            }
            self.metrics.count(&findings);
        }
        self.show().await?;
        Ok(turn)
    }

    /// The checks of a round, in one snapshot.
    async fn look(
        &self,
        before: Watch,
        (now, sums_every): (i64, i64),
        findings: &mut Findings,
    ) -> Result<Watch, DbErr> {
        let snapshot = Snapshot::of(&self.db.pool).await?;
        let followed = follow::follow(&snapshot, &before, self.bounds.rows, findings).await?;
        let account = pieces::check_some(&snapshot, before.account, self.bounds.rows, findings).await?;
        keys::check_some(&snapshot, Uuid::from_u128(rand::random()), findings).await?;
        let mut after = Watch { account, ..before.reached(followed) };
        // Also when the clock has been set back.
        if !(0..sums_every).contains(&(now - after.sums_at)) {
            pieces::check_sums(&snapshot, findings).await?;
            exchanges::check_remainders(&snapshot, findings).await?;
            after.sums_at = now;
        }
        name_batches(&snapshot, findings).await?;
        Ok(after)
    }

    /// What is kept is shown, whichever process has found it.
    async fn show(&self) -> Result<(), DbErr> {
        let (watch, head) = (watch::read(&self.db.pool).await?, watch::head(&self.db.pool).await?);
        let open = watch::open(&self.db.pool).await?;
        self.metrics.show(&watch, &head, &open);
        Ok(())
    }
}
