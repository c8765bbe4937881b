//! The parts of a round: each is looked at in a snapshot of its own, and what fails in one is no other's matter.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, FromQueryResult, Statement};
use uuid::Uuid;

use super::sampler::{Bounds, PATIENCE};

/// Something that a round looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// What is new in the order of commit.
    Chain,
    /// What that settles, exchanges and names.
    Ties,
    /// Accounts with their entries.
    Accounts,
    /// Keys.
    Keys,
    /// Holds and reversals, whenever they were made.
    Settled,
    /// Exchanges, whenever they were made.
    Exchanges,
    /// All balances.
    Balances,
    /// All that rounding has taken.
    Remainders,
}

impl Part {
    /// All of them, in the order of a round.
    pub const ALL: [Self; 8] = [
        Self::Chain,
        Self::Ties,
        Self::Accounts,
        Self::Keys,
        Self::Settled,
        Self::Exchanges,
        Self::Balances,
        Self::Remainders,
    ];

    /// Its name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Chain => "chain",
            Self::Ties => "ties",
            Self::Accounts => "accounts",
            Self::Keys => "keys",
            Self::Settled => "settled",
            Self::Exchanges => "exchanges",
            Self::Balances => "balances",
            Self::Remainders => "remainders",
        }
    }

    /// How often it is looked at.
    #[must_use]
    pub fn every(self, bounds: &Bounds) -> Duration {
        match self {
            Self::Balances | Self::Remainders => bounds.sums_every,
            Self::Chain | Self::Ties | Self::Accounts | Self::Keys | Self::Settled | Self::Exchanges => bounds.every,
        }
    }
}

/// How a part stands.
#[derive(Clone, Debug, Default, FromQueryResult)]
pub struct Standing {
    /// Which.
    pub part: String,
    /// When it was begun last.
    pub tried_at: i64,
    /// When it came to its end last; 0: never.
    pub done_at: i64,
    /// Since when it fails.
    pub failing_since: Option<i64>,
    /// Where its tour has come to.
    pub place: Option<Uuid>,
}

/// How each stands that was looked at once.
///
/// # Errors
/// When the database cannot answer.
pub async fn read(on: &impl ConnectionTrait) -> Result<Vec<Standing>, DbErr> {
    let sql = "SELECT part, tried_at, done_at, failing_since, place FROM invariant_parts";
    Standing::find_by_statement(Statement::from_string(on.get_database_backend(), sql)).all(on).await
}

/// Writes down how one stands.
///
/// # Errors
/// When the database cannot answer.
pub async fn write(tx: &DatabaseTransaction, standing: &Standing) -> Result<(), DbErr> {
    let sql = "INSERT INTO invariant_parts (part, tried_at, done_at, failing_since, place) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (part) DO UPDATE SET tried_at = excluded.tried_at, done_at = excluded.done_at, \
               failing_since = excluded.failing_since, place = excluded.place";
    let Standing { part, tried_at, done_at, failing_since, place } = standing.clone();
    let values = [part.into(), tried_at.into(), done_at.into(), failing_since.into(), place.into()];
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await.map(drop)
}

impl Standing {
    /// After another look, which came to its end or failed.
    #[must_use]
    pub fn after(self, now: i64, place: Option<Uuid>, done: bool) -> Self {
        match done {
            true => Self { tried_at: now, done_at: now, failing_since: None, place, ..self },
            false => Self { tried_at: now, failing_since: self.failing_since.or(Some(now)), ..self },
        }
    }

    /// Whether it fails, or was not looked at for long: several times its own time, and the lease of one who is gone.
    #[must_use]
    pub fn is_stale(&self, part: Part, (now, lease): (i64, i64), bounds: &Bounds) -> bool {
        const TIMES: u32 = 3;
        // No part is looked at more often than there are rounds, and another may take all of its own time before it.
        let every = part.every(bounds).max(bounds.every);
        let within = every.saturating_mul(TIMES).saturating_add(PATIENCE);
        let within = i64::try_from(within.as_micros()).unwrap_or(i64::MAX / 2).saturating_add(lease);
        let late = now.saturating_sub(self.done_at) > within;
        self.failing_since.is_some() || (!bounds.every.is_zero() && late)
    }
}
