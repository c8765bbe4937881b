//! The query of GET /accounts/{id}/entries, parsed, and the stretch of numbers that it leaves.

use sea_orm::{DbErr, EntityTrait};
use serde::Serialize;
use shared::domain::{AccountId, TransferId};
use shared::http::QueryPairs;
use shared::problem::Problem;

use crate::accounts::one_of;
use crate::db::Database;
use crate::db::entity::account;
use crate::history::{places, seq_at};
use crate::query;
use crate::transfers::position_of;

/// Every parameter of the list.
pub const PARAMETERS: [&str; 7] = ["cursor", "limit", "sort_order", "from", "to", "direction", "transfer_id"];

/// Which side of its transfers the account is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Direction {
    /// It paid.
    Debit,
    /// It received.
    Credit,
}

/// What a list of entries is narrowed to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Filter {
    /// Only posted then or later, in microseconds since the epoch.
    pub from: Option<i64>,
    /// Only posted before then.
    pub to: Option<i64>,
    /// Only those of one side.
    pub direction: Option<Direction>,
    /// Only that of this transfer.
    pub transfer: Option<TransferId>,
}

/// A stretch of an account's entries, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// It begins above this number.
    pub above: i64,
    /// Its last one.
    pub upto: i64,
}

impl Stretch {
    /// What a list has left beyond an entry, going its way.
    #[must_use]
    pub fn beyond(self, entry: Option<i64>, descending: bool) -> Self {
        match entry {
            None => self,
            Some(seq) if descending => Self { upto: self.upto.min(seq - 1), ..self },
            Some(seq) => Self { above: self.above.max(seq), ..self },
        }
    }

    /// Its first entries going that way, at most `most`.
    #[must_use]
    pub fn part(self, most: i64, descending: bool) -> Self {
        if descending {
            Self { above: self.above.max(self.upto - most), ..self }
        } else {
            Self { upto: self.upto.min(self.above + most), ..self }
        }
    }
}

impl Filter {
    /// What the caller wants to see.
    pub fn parse(query: &QueryPairs) -> Result<Self, Problem> {
        let direction = match one_of("direction", query.get("direction"), &["debit", "credit"])?.as_deref() {
            None => None,
            Some("debit") => Some(Direction::Debit),
            Some(_) => Some(Direction::Credit),
        };
        Ok(Self {
            from: query::instant(query, "from")?,
            to: query::instant(query, "to")?,
            direction,
            transfer: query::id(query, "transfer_id")?,
        })
    }

    /// The numbers among which all that is wanted is found; none when nothing is. What is asked may be a standby, which
    /// knows of no more than it has heard of.
    pub async fn stretch(&self, db: &Database, account: AccountId) -> Result<Option<Stretch>, DbErr> {
        let row = account::Entity::find_by_id(account.as_uuid()).one(&db.pool).await?;
        let mut stretch = Stretch { above: 0, upto: row.map_or(0, |row| row.seq) };
        if (self.from, self.to) != (None, None) {
            let Some(places) = places(db, self.from, self.to).await? else { return Ok(None) };
            if self.from.is_some() {
                stretch.above = seq_at(db, account, places.above).await?;
            }
            if self.to.is_some() {
                stretch.upto = stretch.upto.min(seq_at(db, account, places.upto).await?);
            }
        }
        if let Some(transfer) = self.transfer {
            let Some(position) = position_of(db, transfer).await? else { return Ok(None) };
            let seq = seq_at(db, account, position).await?;
            stretch = Stretch { above: stretch.above.max(seq - 1), upto: stretch.upto.min(seq) };
        }
        Ok(Some(stretch))
    }
}
