//! PostgreSQL: one connection of the engine's own, and as few round trips as the work allows.

use std::sync::Arc;

use shared::domain::AccountId;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use uuid::Uuid;

use super::chain;
use super::command::{KeyDigest, Outcome, Unit};
use super::error::CommitError;
use super::rows::{
    AccountRow, Found, KeyRow, Rows, TransferRow, read_account, read_found, restore, sorted_accounts, sorted_keys,
    stored,
};
use super::settle::Held;
use super::state::{Account, Kind, Status};

const POST: &str = "SELECT post_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
                    $18, $19, $20, $21, $22, $23, $24, $25, $26)";

const READ: &str = "SELECT id, owner_id, kind, currency, status, balance, held, floor, ceiling, seq, version \
                    FROM accounts WHERE id = ANY($1)";

const LOCK: &str = "SELECT id, owner_id, kind, currency, status, balance, held, floor, ceiling, seq, version \
                    FROM accounts WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

const CLAIM: &str = "INSERT INTO transfer_keys (digest, fingerprint) SELECT * FROM unnest($1::uuid[], $2::uuid[]) \
                     ON CONFLICT DO NOTHING RETURNING digest";

const LOOK_UP: &str = "SELECT k.digest, k.fingerprint, k.status::bigint, k.body, t.id, t.debit_account_id, \
                       t.credit_account_id, t.amount, t.currency, t.created_by, t.description, t.external_ref, \
                       t.metadata, t.posted_at \
                       FROM transfer_keys k LEFT JOIN transfers t ON t.id = k.transfer_id WHERE k.digest = ANY($1)";

const HEAD: &str = "SELECT committed_at FROM ledger_head WHERE id = 1 FOR UPDATE";

/// The engine's connection, opened when it is needed and dropped when it breaks.
pub(super) struct PostgresLane {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl PostgresLane {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        // The arrays' lengths vary with the load: a plan made for this batch is no better for the next. Durable
        // whatever the server's default is.
        let settings = [
            ("plan_cache_mode", "force_generic_plan"),
            ("synchronous_commit", "on"),
            ("statement_timeout", "20s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ];
        let options = options.application_name("tollgate-posting").options(settings);
        Self { options, connection: None }
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, CommitError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(CommitError::Lost)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// The accounts as last committed, unlocked.
    pub(super) async fn read(&mut self, ids: &[AccountId]) -> Result<Vec<Account>, CommitError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let rows = sqlx::query(READ).bind(ids).fetch_all(self.connection().await?).await?;
        rows.iter().map(|row| Ok(read_account!(row))).collect()
    }

    /// Claims, checks, writes and commits in one statement that is its own transaction.
    pub(super) async fn post(&mut self, rows: &Rows) -> Result<(), CommitError> {
        let query = bind(rows, false);
        self.connection().await?.execute(query).await?;
        Ok(())
    }

    pub(super) async fn hold(&mut self, units: &[Unit]) -> Result<Held, CommitError> {
        let connection = self.connection().await?;
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        let taken = claim(connection, units).await?;
        let ids = sorted_accounts(units, &taken);
        let rows = sqlx::query(LOCK).bind(ids).fetch_all(&mut *connection).await?;
        let accounts = rows.iter().map(|row| Ok(read_account!(row))).collect::<Result<_, CommitError>>()?;
        let head = sqlx::query(HEAD).fetch_one(&mut *connection).await?;
        Ok(Held { taken, accounts, committed_at: head.try_get(0)? })
    }

    pub(super) async fn finish(&mut self, rows: &Rows) -> Result<(), CommitError> {
        let query = bind(rows, true);
        let connection = self.connection().await?;
        connection.execute(query).await?;
        connection.execute("COMMIT").await?;
        Ok(())
    }

    pub(super) async fn release(&mut self, error: &CommitError) {
        let Some(mut connection) = self.connection.take() else { return };
        let usable = error.leaves_connection() && connection.execute("ROLLBACK").await.is_ok();
        if usable {
            self.connection = Some(connection);
        }
    }

    pub(super) async fn close(self) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the engine's connection did not close cleanly");
        }
    }
}

/// Inserts the keys that are free and reads those that are not: in a statement of its own, whose snapshot can see what
/// the insert had to wait for.
async fn claim(connection: &mut PgConnection, units: &[Unit]) -> Result<Vec<Found>, CommitError> {
    let keys = sorted_keys(units);
    let (digests, fingerprints): (Vec<Uuid>, Vec<Uuid>) = keys.iter().map(|(key, print)| (key.0, *print)).unzip();
    let won = sqlx::query(CLAIM).bind(&digests).bind(&fingerprints).fetch_all(&mut *connection).await?;
    if won.len() == digests.len() {
        return Ok(Vec::new());
    }
    let won = won.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Uuid>, _>>()?;
    let lost: Vec<_> = digests.into_iter().filter(|digest| !won.contains(digest)).collect();
    let rows = sqlx::query(LOOK_UP).bind(&lost).fetch_all(&mut *connection).await?;
    // Fewer than were lost: whoever held one has rolled back since.
    if rows.len() != lost.len() {
        return Err(CommitError::Stale);
    }
    rows.iter().map(|row| Ok(read_found!(row))).collect()
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, PgArguments>;

/// The batch as one array per column. Binding encodes at once, so nothing of `rows` stays borrowed.
fn bind(rows: &Rows, claimed: bool) -> Query<'static> {
    let query = bind_keys(sqlx::query(POST).bind(claimed), &rows.keys);
    let query = bind_accounts(query, &rows.accounts);
    let query = bind_transfers(query, &rows.transfers);
    let content = if rows.transfers.is_empty() { [0; 32] } else { chain::content(rows) };
    query.bind(rows.posted_at).bind(content.to_vec())
}

fn column<'r, R, T>(rows: &'r [R], read: impl Fn(&'r R) -> T) -> Vec<T> {
    rows.iter().map(read).collect()
}

fn bind_keys<'q>(query: Query<'q>, keys: &[KeyRow]) -> Query<'q> {
    query
        .bind(column(keys, |key| key.digest.0))
        .bind(column(keys, |key| key.fingerprint))
        .bind(column(keys, |key| key.columns().0))
        .bind(column(keys, |key| key.columns().1))
        .bind(column(keys, |key| key.columns().2.map(<[u8]>::to_vec)))
}

fn bind_accounts<'q>(query: Query<'q>, accounts: &[AccountRow]) -> Query<'q> {
    query
        .bind(column(accounts, |row| row.after.id.as_uuid()))
        .bind(column(accounts, |row| row.expected))
        .bind(column(accounts, |row| row.after.balance))
        .bind(column(accounts, |row| row.after.seq))
        .bind(column(accounts, |row| row.after.version))
}

fn bind_transfers<'q>(query: Query<'q>, rows: &[TransferRow]) -> Query<'q> {
    query
        .bind(column(rows, |row| row.draft.id.as_uuid()))
        .bind(column(rows, |row| row.posting.debit.id.as_uuid()))
        .bind(column(rows, |row| row.posting.credit.id.as_uuid()))
        .bind(column(rows, |row| row.draft.order.amount.get()))
        .bind(column(rows, |row| row.draft.order.currency.code()))
        .bind(column(rows, |row| row.draft.description.clone()))
        .bind(column(rows, |row| row.draft.external_ref.clone()))
        .bind(column(rows, |row| row.draft.metadata.as_ref().map(|raw| raw.get().to_owned())))
        .bind(column(rows, |row| row.draft.order.caller.as_uuid()))
        .bind(column(rows, |row| row.posting.debit.seq))
        .bind(column(rows, |row| row.posting.debit.balance))
        .bind(column(rows, |row| row.posting.credit.seq))
        .bind(column(rows, |row| row.posting.credit.balance))
}
