//! History: how the ledger stood at an instant, and what happened between two, at a cost that does not grow with it.
//!
//! An instant leads to a place in the order of commit ([`History::position_at`]), a place to the number of an account's
//! last entry at it ([`seq_at`]), and two of those are a [`Window`], whose entries never change.

mod balance;
mod concerning;
pub mod http;
mod instant;
mod place;
mod seal;
mod window;

use std::sync::Arc;

use sea_orm::DbErr;
use shared::clock::Clock;
use shared::problem::{Code, Problem};

use self::seal::Sealer;
pub(crate) use self::seal::seal_within;
use crate::db::{self, Database};

pub use balance::BalanceBody;
pub(crate) use concerning::{Concerning, Rows};
pub use place::{Places, places, seq_at};
pub use window::{Line, Window};

/// The order of commit, asked by instants. Clones share their seals.
#[derive(Clone, Debug)]
pub struct History {
    db: Database,
    clock: Clock,
    sealer: Arc<Sealer>,
}

impl History {
    /// That of a ledger.
    #[must_use]
    pub fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock, sealer: Arc::default() }
    }
}

#[cfg(test)]
mod tests;

/// Why an instant has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It has not come yet, so nobody knows what will have happened by then.
    #[error("the instant has not come yet")]
    Future,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl Unanswered {
    /// What the client is told who asked by this query parameter.
    #[must_use]
    pub fn problem(self, parameter: &str) -> Problem {
        match self {
            Self::Future => Problem::new(Code::ValidationFailed).error(
                format!("?{parameter}"),
                "future",
                "an instant that has come: what will have happened by then is not known",
            ),
            Self::Database(error) => db::problem(error),
        }
    }
}
