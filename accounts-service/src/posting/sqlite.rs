//! SQLite: the same fold on one writer; what PostgreSQL takes as arrays goes in as JSON, one statement per table.

use std::sync::Arc;

use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
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

const LOOK_UP: &str = "SELECT k.digest, k.fingerprint, k.status, k.body, t.id, t.debit_account_id, \
                       t.credit_account_id, t.amount, t.currency, t.created_by, t.description, t.external_ref, \
                       t.metadata, t.posted_at \
                       FROM json_each(?1) AS wanted JOIN transfer_keys k ON k.digest = unhex(wanted.value) \
                       LEFT JOIN transfers t ON t.id = k.transfer_id";

const READ: &str = "SELECT a.id, a.owner_id, a.kind, a.currency, a.status, a.balance, a.held, a.floor, a.ceiling, \
                    a.seq, a.version FROM json_each(?1) AS wanted JOIN accounts a ON a.id = unhex(wanted.value)";

const KEYS: &str = "INSERT INTO transfer_keys (digest, fingerprint, status, transfer_id, body) \
                    SELECT unhex(value->>0), unhex(value->>1), value->>2, unhex(value->>3), unhex(value->>4) \
                    FROM json_each(?1)";

const ACCOUNTS: &str = "UPDATE accounts SET balance = u.balance, seq = u.seq, version = u.version, updated_at = ?2 \
                        FROM (SELECT unhex(value->>0) AS id, value->>1 AS balance, value->>2 AS seq, \
                        value->>3 AS version FROM json_each(?1)) AS u WHERE accounts.id = u.id";

const TRANSFERS: &str = "INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, \
                         description, external_ref, metadata, posted_at, created_at, created_by) \
                         SELECT value->>0, unhex(value->>1), unhex(value->>2), unhex(value->>3), value->>4, value->>5, \
                         value->>6, value->>7, value->>8, ?2, ?2, unhex(value->>9) FROM json_each(?1)";

const ENTRIES: &str = "INSERT INTO entries (position, transfer_id, account_id, seq, amount, balance_after, posted_at) \
                       SELECT value->>0, unhex(value->>1), unhex(value->>2), value->>3, value->>4, value->>5, ?2 \
                       FROM json_each(?1)";

const EVENTS: &str = "INSERT INTO outbox_events (position, id, kind, subject, recorded_at) \
                      SELECT value->>0, unhex(value->>1), 'transfer.posted', unhex(value->>1), ?2 FROM json_each(?1)";

const BATCH: &str = "INSERT INTO ledger_batches (batch_no, first_position, last_position, posted_at, content, hash) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const HEAD: &str = "SELECT batch_no, position, committed_at, hash FROM ledger_head WHERE id = 1";

const MOVE_HEAD: &str = "UPDATE ledger_head SET batch_no = ?1, position = ?2, committed_at = ?3, hash = ?4";

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

    /// The write lock comes first, so that everything read after it stays true until the commit.
    pub(super) async fn hold(&mut self, units: &[Unit]) -> Result<Held, CommitError> {
        let connection = self.connection().await?;
        connection.execute("BEGIN IMMEDIATE").await?;
        let keys: Vec<_> = sorted_keys(units).into_iter().map(|(key, _)| hex(key.0)).collect();
        let rows = sqlx::query(LOOK_UP).bind(json(&keys)?).fetch_all(&mut *connection).await?;
        let taken = rows.iter().map(|row| Ok(read_found!(row))).collect::<Result<Vec<_>, CommitError>>()?;
        let ids: Vec<_> = sorted_accounts(units, &taken).into_iter().map(hex).collect();
        let rows = sqlx::query(READ).bind(json(&ids)?).fetch_all(&mut *connection).await?;
        let accounts = rows.iter().map(|row| Ok(read_account!(row))).collect::<Result<_, CommitError>>()?;
        let head = sqlx::query(HEAD).fetch_one(&mut *connection).await?;
        Ok(Held { taken, accounts, committed_at: head.try_get(2)? })
    }

    pub(super) async fn finish(&mut self, rows: &Rows) -> Result<(), CommitError> {
        let connection = self.connection().await?;
        sqlx::query(KEYS).bind(json(&key_rows(&rows.keys))?).execute(&mut *connection).await?;
        if !rows.transfers.is_empty() {
            write(connection, rows).await?;
        }
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

async fn write(connection: &mut SqliteConnection, rows: &Rows) -> Result<(), CommitError> {
    let at = rows.posted_at;
    let head = sqlx::query(HEAD).fetch_one(&mut *connection).await?;
    let (batch_no, base) = (head.try_get::<i64, _>(0)? + 1, head.try_get::<i64, _>(1)?);
    let count = i64::try_from(rows.transfers.len()).unwrap_or(i64::MAX);
    let content = chain::content(rows);
    let link = chain::link(&head.try_get::<Vec<u8>, _>(3)?, batch_no, &content);

    let transfers: Vec<_> = (base + 1..).zip(&rows.transfers).collect();
    let accounts = json(&account_rows(&rows.accounts))?;
    sqlx::query(ACCOUNTS).bind(accounts).bind(at).execute(&mut *connection).await?;
    sqlx::query(MOVE_HEAD)
        .bind(batch_no)
        .bind(base + count)
        .bind(at)
        .bind(link.to_vec())
        .execute(&mut *connection)
        .await?;
    sqlx::query(TRANSFERS).bind(json(&transfer_rows(&transfers))?).bind(at).execute(&mut *connection).await?;
    sqlx::query(ENTRIES).bind(json(&entry_rows(&transfers))?).bind(at).execute(&mut *connection).await?;
    let events: Vec<_> = transfers.iter().map(|(position, row)| (position, hex(row.draft.id.as_uuid()))).collect();
    sqlx::query(EVENTS).bind(json(&events)?).bind(at).execute(&mut *connection).await?;
    sqlx::query(BATCH)
        .bind(batch_no)
        .bind(base + 1)
        .bind(base + count)
        .bind(at)
        .bind(content.to_vec())
        .bind(link.to_vec())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

fn json(rows: &impl Serialize) -> Result<String, CommitError> {
    serde_json::to_string(rows).map_err(|_| CommitError::Corrupt("a batch that is no JSON"))
}

fn key_rows(keys: &[KeyRow]) -> Vec<impl Serialize> {
    let row = |key: &KeyRow| {
        let (status, transfer, body) = key.columns();
        (hex(key.digest.0), hex(key.fingerprint), status, transfer.map(hex), body.map(hex::encode))
    };
    keys.iter().map(row).collect()
}

fn account_rows(accounts: &[AccountRow]) -> Vec<impl Serialize> {
    let changed = accounts.iter().filter(|row| row.after.version != row.expected);
    changed.map(|row| (hex(row.after.id.as_uuid()), row.after.balance, row.after.seq, row.after.version)).collect()
}

fn transfer_rows(transfers: &[(i64, &TransferRow)]) -> Vec<impl Serialize> {
    let row = |(position, row): &(i64, &TransferRow)| {
        let TransferRow { draft, posting } = *row;
        (
            *position,
            hex(draft.id.as_uuid()),
            hex(posting.debit.id.as_uuid()),
            hex(posting.credit.id.as_uuid()),
            draft.order.amount.get(),
            draft.order.currency.code(),
            draft.description.clone(),
            draft.external_ref.clone(),
            draft.metadata.as_ref().map(|raw| raw.get().to_owned()),
            hex(draft.order.caller.as_uuid()),
        )
    };
    transfers.iter().map(row).collect()
}

fn entry_rows(transfers: &[(i64, &TransferRow)]) -> Vec<impl Serialize> {
    let sides = |(position, row): &(i64, &TransferRow)| {
        let (id, amount) = (hex(row.draft.id.as_uuid()), row.draft.order.amount.get());
        [(row.posting.debit, -amount), (row.posting.credit, amount)]
            .map(|(side, amount)| (*position, id.clone(), hex(side.id.as_uuid()), side.seq, amount, side.balance))
    };
    transfers.iter().flat_map(sides).collect()
}
