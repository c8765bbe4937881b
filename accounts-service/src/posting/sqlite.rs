//! SQLite: the same fold on one writer; what PostgreSQL takes as arrays goes in as JSON, one statement per table.

mod write;

use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use uuid::Uuid;

use super::command::{KeyDigest, Unit};
use super::core::{Account, Kind, Need, Status};
use super::error::CommitError;
use super::exchanges::{self, Rates};
use super::outcome::Stub;
use super::rest::read::{self, Looked, NeverWritten, Wanted};
use super::rows::{
    Committed, Found, FoundKey, Rows, account_ids, fill, named, read_account, read_key, read_transfer, sorted_keys,
};
use super::settle::{Held, Loaded};
use crate::db::entity::transfer::{self, transfer_columns};

const KEYS: &str = "SELECT k.digest, k.fingerprint, k.status, k.transfer_id, k.body \
                    FROM json_each(?1) AS wanted JOIN transfer_keys k ON k.digest = unhex(wanted.value)";

const TRANSFERS: &str = concat!(
    "SELECT ",
    transfer_columns!("t."),
    " FROM json_each(?1) AS wanted JOIN transfers t ON t.id = unhex(wanted.value)"
);

const READ: &str = "SELECT a.id, a.owner_id, a.kind, a.currency, a.status, a.balance, a.held, a.next_expiry, a.floor, \
                    a.ceiling, a.limited, a.seq, a.version \
                    FROM json_each(?1) AS wanted JOIN accounts a ON a.id = unhex(wanted.value)";

const COMMITTED_AT: &str = "SELECT committed_at FROM ledger_head WHERE id = 1";

/// The engine's connection: the one writer of transfers.
pub(super) struct SqliteLane {
    options: SqliteConnectOptions,
    connection: Option<SqliteConnection>,
}

impl SqliteLane {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, connection: None }
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, CommitError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await.map_err(CommitError::Lost)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// What the ledger holds of `needs`; within a transaction that writes, that stays true until its end.
    pub(super) async fn load(&mut self, needs: &[Need]) -> Result<Loaded, CommitError> {
        load(self.connection().await?, needs).await
    }

    /// The write lock comes first, so that everything read after it stays true until the commit.
    pub(super) async fn claim(&mut self, units: &[Unit]) -> Result<Vec<Found>, CommitError> {
        let connection = self.connection().await?;
        connection.execute("BEGIN IMMEDIATE").await?;
        look_up(connection, units).await
    }

    pub(super) async fn hold(&mut self, needs: &[Need]) -> Result<Held, CommitError> {
        let connection = self.connection().await?;
        let loaded = load(connection, needs).await?;
        let head = sqlx::query(COMMITTED_AT).fetch_one(&mut *connection).await?;
        Ok(Held { loaded, committed_at: head.try_get(0)? })
    }

    pub(super) async fn finish(&mut self, rows: &Rows) -> Result<Committed, CommitError> {
        let connection = self.connection().await?;
        let committed = write::write(connection, rows).await?;
        exchanges::sqlite::write(connection, rows, committed.at.unwrap_or(rows.asked)).await?;
        connection.execute("COMMIT").await?;
        Ok(committed)
    }

    /// What decisions rest on besides accounts.
    pub(super) async fn look(&mut self, wanted: &Wanted) -> Result<Looked, CommitError> {
        let row = sqlx::query(read::SQLITE).bind(wanted.json()).fetch_one(self.connection().await?).await?;
        Looked::parse(row.try_get(0)?).map_err(|NeverWritten(what)| CommitError::Corrupt(what))
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

async fn load(connection: &mut SqliteConnection, needs: &[Need]) -> Result<Loaded, CommitError> {
    let newest = exchanges::sqlite::rates(connection, &exchanges::pairs(needs)).await?;
    let mut rates = Rates { newest, carries: Vec::new() };
    rates.carries = exchanges::sqlite::carries(connection, &rates.rounding()).await?;
    let ids: Vec<_> = account_ids(&rates.and(needs)).into_iter().map(hex).collect();
    let rows = sqlx::query(READ).bind(json(&ids)?).fetch_all(connection).await?;
    let accounts = rows.iter().map(|row| Ok(read_account!(row))).collect::<Result<_, CommitError>>()?;
    Ok(Loaded { accounts, rates })
}

async fn look_up(connection: &mut SqliteConnection, units: &[Unit]) -> Result<Vec<Found>, CommitError> {
    let keys: Vec<_> = sorted_keys(units).into_iter().map(|(key, _)| hex(key.0)).collect();
    let rows = sqlx::query(KEYS).bind(json(&keys)?).fetch_all(&mut *connection).await?;
    let keys = rows.iter().map(|row| Ok(read_key!(row))).collect::<Result<Vec<_>, CommitError>>()?;
    let ids: Vec<_> = named(&keys).into_iter().map(hex).collect();
    if ids.is_empty() {
        return fill(keys, Vec::new());
    }
    let rows = sqlx::query(TRANSFERS).bind(json(&ids)?).fetch_all(connection).await?;
    fill(keys, rows.iter().map(|row| Ok(read_transfer!(row))).collect::<Result<_, CommitError>>()?)
}

fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

fn json(rows: &impl Serialize) -> Result<String, CommitError> {
    serde_json::to_string(rows).map_err(|_| CommitError::Corrupt("a batch that is no JSON"))
}
