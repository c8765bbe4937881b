//! What happened on an account between two instants: from the balance before the first entry to that of the last.

use sea_orm::prelude::Uuid;
use sea_orm::{DbErr, FromQueryResult, Statement};
use shared::domain::AccountId;

use super::place::standing_at;
use super::{History, Unanswered};
use crate::db::Database;

const LINES: &str = "SELECT e.seq, e.amount, e.balance_after, e.posted_at, e.position, e.transfer_id, \
                     CASE WHEN t.debit_account_id = e.account_id THEN t.credit_account_id \
                     ELSE t.debit_account_id END AS counterparty_id, \
                     t.description, t.external_ref, t.pending_of, t.reversal_of \
                     FROM entries e JOIN transfers t ON t.position = e.position \
                     WHERE e.account_id = $1 AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq LIMIT $4";

/// The entries of an account between two instants. Once it is there it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Whose entries.
    pub account: AccountId,
    /// The number of the last entry before it; 0 when there is none.
    pub before: i64,
    /// The number of its last entry; that before it when it has none.
    pub last: i64,
    /// The balance before its first entry.
    pub opening: i64,
    /// The balance with its last entry: the opening one and the amounts of all its entries.
    pub closing: i64,
}

/// An entry with what its transfer says.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Line {
    /// Counts from 1 without gaps.
    pub seq: i64,
    /// Minor units: negative when the account paid.
    pub amount: i64,
    /// The account's balance with this entry.
    pub balance_after: i64,
    /// When it posted, in microseconds since the epoch.
    pub posted_at: i64,
    /// Its place in the order of commit.
    pub position: i64,
    /// The transfer it is a side of.
    pub transfer_id: Uuid,
    /// The account on the other side.
    pub counterparty_id: Uuid,
    /// For people.
    pub description: Option<String>,
    /// The client's own reference.
    pub external_ref: Option<String>,
    /// The pending transfer that it posts.
    pub pending_of: Option<Uuid>,
    /// The transfer that it reverses.
    pub reversal_of: Option<Uuid>,
}

impl History {
    /// What posted on an account from `from` on and before `to`, both in microseconds since the epoch. The same
    /// question always has the same answer: `to` is sealed if it has to be. It is empty where `to` is not after `from`.
    ///
    /// # Errors
    /// [`Unanswered::Future`] when something may still post before `to`.
    pub async fn window(&self, account: AccountId, from: i64, to: i64) -> Result<Window, Unanswered> {
        let from = from.min(to);
        let last = self.position_at(to.saturating_sub(1)).await?;
        let before = self.position_at(from.saturating_sub(1)).await?;
        let before = standing_at(&self.db, account, before).await?;
        let last = standing_at(&self.db, account, last).await?;
        Ok(Window { account, before: before.seq, last: last.seq, opening: before.balance, closing: last.balance })
    }
}

impl Window {
    /// How many entries it has.
    #[must_use]
    pub const fn entries(&self) -> i64 {
        self.last - self.before
    }

    /// Its entries beyond number `after`, oldest first, at most `rows`. Begin with [`Window::before`]; it has ended
    /// when fewer come.
    pub async fn lines(&self, db: &Database, after: i64, rows: u32) -> Result<Vec<Line>, DbErr> {
        let after = after.max(self.before);
        let values = [self.account.as_uuid().into(), after.into(), self.last.into(), i64::from(rows).into()];
        let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), LINES, values);
        Line::find_by_statement(statement).all(&db.pool).await
    }
}
