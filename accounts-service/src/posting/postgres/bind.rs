//! A commit batch as the arguments of `commit_batch`: one array per column, `NULL` for a column of nothing but nulls.

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Encode, Postgres, Row, Type};

use crate::posting::chain;
use crate::posting::core::Recorded;
use crate::posting::error::CommitError;
use crate::posting::outcome::Kept;
use crate::posting::rows::{AccountRow, Committed, KeyRow, Rows, TransferRow};

const COMMIT: &str = "SELECT at, moved::text FROM commit_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
                      $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, \
                      $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43::jsonb)";

type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

/// A batch, bound: nothing of its rows stays borrowed, because binding encodes at once.
pub(in crate::posting) struct Statement(Query);

impl Statement {
    /// That writes `rows`. `claimed`: the transaction has inserted the keys before.
    pub fn of(rows: &Rows, claimed: bool) -> Self {
        let query = keys(sqlx::query(COMMIT).bind(claimed), &rows.keys);
        let query = accounts(query, rows);
        let query = decided(transfers(query, &rows.transfers), &rows.transfers);
        let content = if rows.transfers.is_empty() { [0; 32] } else { chain::content(&rows.transfers) };
        let query = query
            .bind(rows.events)
            .bind(rows.asked)
            .bind(rows.month_start)
            .bind(rows.not_after)
            .bind(content.to_vec())
            .bind(rows.rest.as_deref());
        Self(query)
    }

    /// Writes them.
    pub async fn run(self, connection: &mut PgConnection) -> Result<Committed, CommitError> {
        let row = self.0.fetch_one(connection).await?;
        let moved = row.try_get::<Option<String>, _>(1)?.as_deref().map(serde_json::from_str).transpose();
        let moved = moved.map_err(|_| CommitError::Corrupt("moved"))?.unwrap_or_default();
        Ok(Committed { at: row.try_get(0)?, moved })
    }
}

fn column<'r, R, T>(rows: &'r [R], read: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(read).collect()
}

/// A column that most batches have nothing in.
fn sparse<'r, R, T: 'r>(query: Query, rows: &'r [R], read: impl Fn(&'r R) -> Option<T>) -> Query
where
    Vec<Option<T>>: Encode<'r, Postgres> + Type<Postgres>,
{
    let any = rows.iter().any(|row| read(row).is_some());
    query.bind(any.then(|| column(rows, read)))
}

fn keys(query: Query, keys: &[KeyRow]) -> Query {
    let kept: Vec<_> = keys.iter().map(|key| key.outcome.keep()).collect();
    let query = query
        .bind(column(keys, |key| key.digest.0))
        .bind(column(keys, |key| key.fingerprint))
        .bind(column(&kept, |kept| kept.status));
    let query = sparse(query, &kept, |kept: &Kept| kept.transfer);
    sparse(query, &kept, |kept: &Kept| kept.body.as_deref())
}

fn accounts(query: Query, rows: &Rows) -> Query {
    let Rows { accounts, added, looked, .. } = rows;
    let query = query
        .bind(column(accounts, |row| row.after.id.as_uuid()))
        .bind(column(accounts, |row| row.expected))
        .bind(column(accounts, |row| row.after.balance))
        .bind(column(accounts, |row| row.after.held));
    // Once one account has an end of holds, or had, all are written, and 0 is none.
    let expiry = |row: &AccountRow| row.after.next_expiry.unwrap_or_default();
    let expiring = accounts.iter().any(|row| row.expiring);
    let query = query
        .bind(expiring.then(|| column(accounts, expiry)))
        .bind(column(accounts, |row| row.after.seq))
        .bind(column(accounts, |row| row.after.version));
    let some = !added.is_empty();
    let query = query
        .bind(some.then(|| column(added, |row| row.after.id.as_uuid())))
        .bind(some.then(|| column(added, |row| row.before.balance)))
        .bind(some.then(|| column(added, |row| row.before.seq)))
        .bind(some.then(|| column(added, |row| row.after.balance - row.before.balance)))
        .bind(some.then(|| column(added, |row| row.after.seq - row.before.seq)));
    query
        .bind(looked.as_deref().map(|looked| column(looked, |(id, _)| id.as_uuid())))
        .bind(looked.as_deref().map(|looked| column(looked, |(_, version)| *version)))
}

fn transfers(query: Query, rows: &[TransferRow]) -> Query {
    let query = query
        .bind(column(rows, |row| row.decided.record.id.as_uuid()))
        .bind(column(rows, |row| row.decided.record.debit.as_uuid()))
        .bind(column(rows, |row| row.decided.record.credit.as_uuid()))
        .bind(column(rows, |row| row.decided.record.amount.get()))
        .bind(column(rows, |row| row.decided.record.currency.code()))
        .bind(column(rows, |row| row.decided.record.by.as_uuid()));
    let query = sparse(query, rows, |row| row.decided.memo.description.as_deref());
    let query = sparse(query, rows, |row| row.decided.memo.external_ref.as_deref());
    sparse(query, rows, |row| row.decided.memo.metadata.as_ref().map(|raw| raw.get()))
}

fn decided(query: Query, rows: &[TransferRow]) -> Query {
    let status = |status: Recorded| (status != Recorded::Posted).then(|| status.as_str());
    let query = sparse(query, rows, |row| status(row.decided.record.status));
    let query = sparse(query, rows, |row| row.decided.record.pending_of.map(|id| id.as_uuid()));
    let query = sparse(query, rows, |row| row.decided.record.reversal_of.map(|id| id.as_uuid()));
    let query = sparse(query, rows, |row| row.decided.record.expires_at);
    query
        .bind(column(rows, |row| row.posting.map(|posting| posting.debit.seq)))
        .bind(column(rows, |row| row.posting.map(|posting| posting.debit.balance)))
        .bind(column(rows, |row| row.posting.map(|posting| posting.credit.seq)))
        .bind(column(rows, |row| row.posting.map(|posting| posting.credit.balance)))
}
