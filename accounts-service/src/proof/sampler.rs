//! The service looks at its own ledger, all the time and in bounded pieces: each new batch, accounts in turn and at random,
//! keys at random, and now and then all balances. Of a fleet one process looks, by a lease: another would find the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::DbErr;
use shared::clock::Clock;
use uuid::Uuid;

use super::finding::{Findings, Known};
use super::follow::{self, SHARE, Ties};
use super::metrics::Metrics;
use super::part::{self, Part, Standing};
use super::report::told;
use super::snapshot::Snapshot;
use super::verify::name_batches;
use super::walk::Chain;
use super::watch::{self, Asks, Watch};
use super::{exchanges, keys, pieces, settled, sums, tour};
use crate::config::Invariants;
use crate::db::Database;

/// Violations of one part of a round that are told; all are counted.
const MOST: usize = 100;

/// How long the lease is, in microseconds: whoever has it renews it while they look.
pub const LEASE: i64 = 60_000_000;

/// How often it is renewed.
const RENEWED: Duration = Duration::from_secs(20);

/// How long a part may take: one that takes longer has failed, and another has its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// The least time between two rounds.
const PAUSE: Duration = Duration::from_millis(100);

/// What is looked at, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time between two rounds.
    pub every: Duration,
    /// Places of the order of commit that a round reads, about, and entries of accounts.
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
    /// How often its lease is renewed while it looks.
    pub renewed: Duration,
    holder: Uuid,
}

impl Sampler {
    /// One that has looked at nothing yet.
    #[must_use]
    pub fn new(db: Database, clock: Clock, bounds: Bounds, metrics: Metrics) -> Self {
        Self { db, clock, bounds, metrics, renewed: RENEWED, holder: Uuid::new_v4() }
    }

    /// Looks until dropped.
    pub async fn run(self) {
        // What others, or earlier ones, have found is shown before anything is looked at here, and also where nothing will be.
        if let Err(error) = self.show().await {
            tracing::warn!(%error, "what is on record about the ledger could not be read");
        }
        if self.bounds.every.is_zero() {
            return;
        }
        let mut behind = false;
        loop {
            let begun = self.clock.now_micros();
            let turn = self.turn(behind).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the ledger was not looked at; it will be tried again");
                Turn::default()
            });
            behind = turn.behind;
            tokio::time::sleep(self.wait(&turn, begun)).await;
        }
    }

    /// Until the next round is due, whoever had the last one. Whoever is behind goes on, and leaves the database to others
    /// for most of the time.
    fn wait(&self, turn: &Turn, begun: i64) -> Duration {
        let now = self.clock.now_micros();
        let until = |instant: i64| Duration::from_micros(u64::try_from(instant - now).unwrap_or_default());
        let every = self.bounds.every;
        if turn.behind {
            let took = Duration::from_micros(u64::try_from(now - begun).unwrap_or_default());
            let looked = took.saturating_sub(turn.paused);
            return (looked * (SHARE - 1)).saturating_sub(turn.paused).clamp(PAUSE, every.max(PAUSE));
        }
        let due = until(turn.round_at.saturating_add(micros(every)));
        // Somebody else is about it, or it failed.
        if due.is_zero() { every.min(until(now + LEASE)) } else { due.clamp(PAUSE, every) }
    }

    /// Looks once, if it is due and this process's turn: whether it was.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn round(&self) -> Result<bool, DbErr> {
        Ok(self.turn(false).await?.looked)
    }

    /// The same; at once where there was more than one round reads.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn turn(&self, behind: bool) -> Result<Turn, DbErr> {
        let now = self.clock.now_micros();
        let due = if behind { i64::MAX } else { now.saturating_sub(micros(self.bounds.every)) };
        let taken = watch::take(&self.db, Asks { holder: self.holder, now, lease: LEASE, due }).await?;
        let mut turn = Turn { looked: taken.is_some(), ..Turn::default() };
        if let Some(watch) = taken {
            let known = watch::known(&self.db.pool).await?;
            let standings = part::read(&self.db.pool).await?;
            let mut round = Round::of(now, watch, known, standings);
            let lost = AtomicBool::new(false);
            tokio::select! {
                parts = self.parts(&mut round, &lost) => parts?,
                () = self.hold(&lost) => {}
            }
            (turn.behind, turn.paused) = (round.behind, round.paused);
        }
        turn.round_at = self.show().await?;
        Ok(turn)
    }

    /// Keeps the lease for as long as it is polled, or says that it is lost: the part under way is still told then.
    async fn hold(&self, lost: &AtomicBool) {
        let mut ticks = tokio::time::interval(self.renewed);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            match watch::renew(&self.db, self.holder, self.clock.now_micros() + LEASE).await {
                Ok(true) => continue,
                Ok(false) => tracing::warn!("another process has begun to look at the ledger: this round ends"),
                Err(error) => tracing::warn!(%error, "the lease could not be renewed: this round ends"),
            }
            lost.store(true, Ordering::Relaxed);
            return std::future::pending().await;
        }
    }

    /// Part by part: what one found is kept before the next one begins, and whether it failed.
    async fn parts(&self, round: &mut Round, lost: &AtomicBool) -> Result<(), DbErr> {
        for part in Part::ALL {
            if lost.load(Ordering::Relaxed) {
                break;
            }
            let before = round.standing(part);
            let every = micros(part.every(&self.bounds));
            // Also when the clock has been set back.
            let waits =
                part.every(&self.bounds) != self.bounds.every && (0..every).contains(&(round.now - before.tried_at));
            if waits {
                continue;
            }
            let mut findings = Findings::new(MOST).knowing(Known::clone(&round.known));
            let mut place = before.place;
            let look = tokio::time::timeout(PATIENCE, self.look(part, round, &mut place, &mut findings));
            let looked = look.await.unwrap_or_else(|_| Err(DbErr::Custom(format!("longer than {PATIENCE:?}"))));
            if let Err(error) = &looked {
                self.metrics.failed(part);
                tracing::warn!(%error, part = part.word(), "a part of the ledger could not be looked at");
            } else {
                round.watch.round_at = round.now;
            }
            if part == Part::Ties
                && let Some(chain) = round.reached.take()
            {
                // Not before its ties were looked at: else nobody would come by them again after a restart.
                round.watch = round.watch.clone().reached(chain);
            }
            let standing = before.after(round.now, place, looked.is_ok());
            self.tell(round, &standing, findings).await?;
        }
        Ok(())
    }

    /// What a part found, on record and in the log.
    async fn tell(&self, round: &Round, standing: &Standing, mut findings: Findings) -> Result<(), DbErr> {
        if let Err(error) = self.name(&mut findings).await {
            tracing::warn!(%error, "violations are told without their batches");
        }
        let fresh = watch::keep(&self.db, self.holder, (&round.watch, round.now), standing, &findings).await;
        // What cannot be put on record is told all the same.
        for violation in fresh.as_ref().unwrap_or(&findings.kept) {
            tracing::error!(
                invariant = violation.invariant.word(),
                place = told(violation),
                "the ledger is not sound: GET /api/v1/admin/invariants, and run `accounts-service verify`"
            );
        }
        self.metrics.count(&findings);
        fresh.map(drop)
    }

    async fn name(&self, findings: &mut Findings) -> Result<(), DbErr> {
        if findings.kept.is_empty() {
            return Ok(());
        }
        name_batches(&Snapshot::of(&self.db.pool).await?, findings).await
    }

    /// The chain's part.
    async fn follow(&self, round: &mut Round, findings: &mut Findings) -> Result<(), DbErr> {
        if let Err(error) = follow::ready(&self.db.pool, &round.watch).await {
            tracing::warn!(%error, "what was written lately could not be summed up for the search");
        }
        let followed = follow::follow(&self.db.pool, &round.watch, self.bounds.rows, findings).await?;
        (round.reached, round.ties) = (Some(followed.chain), followed.ties);
        (round.behind, round.paused) = (followed.behind, followed.paused);
        Ok(())
    }

    /// One part; but for the chain and its ties in one snapshot.
    async fn look(
        &self,
        part: Part,
        round: &mut Round,
        place: &mut Option<Uuid>,
        findings: &mut Findings,
    ) -> Result<(), DbErr> {
        match part {
            Part::Chain => return self.follow(round, findings).await,
            Part::Ties => return follow::check_ties(&self.db.pool, &round.ties, findings).await,
            _ => {}
        }
        let (snapshot, rows) = (Snapshot::of(&self.db.pool).await?, self.bounds.rows);
        match part {
            Part::Chain | Part::Ties => {}
            Part::Accounts => {
                round.watch.account = pieces::check_some(&snapshot, round.watch.account, rows, findings).await?;
            }
            Part::Keys => drop(keys::check_some(&snapshot, Uuid::from_u128(rand::random()), findings).await?),
            Part::Settled => {
                let (ids, reached) = tour::SETTLED.some(&snapshot, *place).await?;
                settled::check_some(&snapshot, &ids, findings).await?;
                *place = reached;
            }
            Part::Exchanges => {
                let (ids, reached) = tour::EXCHANGES.some(&snapshot, *place).await?;
                exchanges::check_these(&snapshot, &ids, findings).await?;
                *place = reached;
            }
            Part::Balances => {
                sums::check_balances(&snapshot, findings).await?;
                round.watch.sums_at = round.now;
            }
            Part::Remainders => sums::check_remainders(&snapshot, findings).await?,
        }
        Ok(())
    }

    /// What is kept is shown, whichever process has found it; when the last round was.
    async fn show(&self) -> Result<i64, DbErr> {
        let (watch, head) = (watch::read(&self.db.pool).await?, watch::head(&self.db.pool).await?);
        let (open, parts) = (watch::open(&self.db.pool).await?, part::read(&self.db.pool).await?);
        self.metrics.show(&watch, &head, &open, &parts);
        Ok(watch.round_at)
    }
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Whether this process looked.
    pub looked: bool,
    /// Whether there is more to be followed than it read.
    pub behind: bool,
    /// When the last round was, whoever had it.
    round_at: i64,
    /// How long of its time it paused.
    paused: Duration,
}

/// A round, as far as it is.
struct Round {
    now: i64,
    watch: Watch,
    known: Known,
    standings: Vec<Standing>,
    ties: Ties,
    /// Where the chain was followed to, while its ties are still to be looked at.
    reached: Option<Chain>,
    behind: bool,
    paused: Duration,
}

impl Round {
    fn of(now: i64, watch: Watch, known: Known, standings: Vec<Standing>) -> Self {
        let (ties, paused) = (Ties::default(), Duration::ZERO);
        Self { now, watch, known, standings, ties, reached: None, behind: false, paused }
    }

    fn standing(&self, part: Part) -> Standing {
        let found = self.standings.iter().find(|standing| standing.part == part.word()).cloned();
        found.unwrap_or_else(|| Standing { part: part.word().to_owned(), ..Standing::default() })
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 8)
}
