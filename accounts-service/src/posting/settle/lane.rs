//! The one connection that commits, whichever back-end it leads to.

use super::CommitError;
use crate::db::Month;
use crate::posting::command::Unit;
use crate::posting::core::{Account, Need, State};
use crate::posting::exchanges::{self, Rates};
use crate::posting::postgres::PostgresLane;
use crate::posting::rest::read::{Looked, Wanted};
use crate::posting::rows::{Committed, Found, Rows, account_ids};
use crate::posting::sqlite::SqliteLane;

/// One connection that commits.
pub(in crate::posting) enum Lane {
    Postgres(PostgresLane),
    Sqlite(SqliteLane),
}

impl Lane {
    /// The accounts among `needs`; within a transaction, under its locks.
    pub async fn load(&mut self, needs: &[Need]) -> Result<Loaded, CommitError> {
        match self {
            Self::Postgres(lane) => lane.load(needs).await,
            Self::Sqlite(lane) => lane.load(needs).await,
        }
    }

    /// Makes the tables of a month, where there are tables by month and it has none.
    pub async fn open_month(&mut self, month: Month) -> Result<(), CommitError> {
        match self {
            Self::Postgres(lane) => lane.open_month(month).await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// What decisions rest on besides accounts.
    pub async fn look(&mut self, wanted: &Wanted) -> Result<Looked, CommitError> {
        match self {
            Self::Postgres(lane) => lane.look(wanted).await,
            Self::Sqlite(lane) => lane.look(wanted).await,
        }
    }

    /// BEGIN, claim the keys and look up those that are taken.
    pub async fn claim(&mut self, units: &[Unit]) -> Result<Vec<Found>, CommitError> {
        match self {
            Self::Postgres(lane) => lane.claim(units).await,
            Self::Sqlite(lane) => lane.claim(units).await,
        }
    }

    /// Lock the accounts among `needs`, then the chain's head: the truth, held still.
    pub async fn hold(&mut self, needs: &[Need]) -> Result<Held, CommitError> {
        match self {
            Self::Postgres(lane) => lane.hold(needs).await,
            Self::Sqlite(lane) => lane.hold(needs).await,
        }
    }

    /// Writes what was folded from the truth held still, and commits.
    pub async fn finish(&mut self, rows: &Rows) -> Result<Committed, CommitError> {
        match self {
            Self::Postgres(lane) => lane.finish(rows).await,
            Self::Sqlite(lane) => lane.finish(rows).await,
        }
    }

    /// Lets go of whatever a failed attempt holds.
    pub async fn release(&mut self, error: &CommitError) {
        match self {
            Self::Postgres(lane) => lane.release(error).await,
            Self::Sqlite(lane) => lane.release(error).await,
        }
    }

    /// Says good-bye to the database.
    pub async fn close(self) {
        match self {
            Self::Postgres(lane) => lane.close().await,
            Self::Sqlite(lane) => lane.close().await,
        }
    }
}

/// What [`Lane::hold`] found: accounts as they are, and the chain's last instant.
pub(in crate::posting) struct Held {
    pub loaded: Loaded,
    pub committed_at: i64,
}

/// Accounts that were looked up, and for exchanges what names some of them.
#[derive(Default)]
pub(in crate::posting) struct Loaded {
    pub accounts: Vec<Account>,
    pub rates: Rates,
}

impl Loaded {
    /// Tells `state`: what was asked for and not found is absent.
    pub fn teach(self, state: &mut State, asked: &[Need]) {
        account_ids(asked).into_iter().for_each(|id| state.accounts.learn(id.into(), None));
        exchanges::pairs(asked).into_iter().for_each(|pair| state.rates.learn(pair, None));
        self.accounts.into_iter().for_each(|account| state.accounts.learn(account.id, Some(account)));
        self.rates.teach(state);
    }
}
