//! Writing a commit batch on SQLite, under its write lock: the same rows in the same order as `commit_batch`.

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::{hex, json};
use crate::posting::chain;
use crate::posting::core::{Account, Decided, Recorded};
use crate::posting::error::CommitError;
use crate::posting::rest::write::{SQLITE_EVENTS, SQLITE_ROWS};
use crate::posting::rows::{Committed, KeyRow, Rows, TransferRow};

const KEYS: &str = "INSERT INTO transfer_keys (digest, fingerprint, status, transfer_id, body) \
                    SELECT unhex(value->>0), unhex(value->>1), value->>2, unhex(value->>3), unhex(value->>4) \
                    FROM json_each(?1)";

const ACCOUNTS: &str = "UPDATE accounts SET balance = u.balance, held = u.held, next_expiry = u.next_expiry, \
                        seq = u.seq, version = u.version, updated_at = ?2 \
                        FROM (SELECT unhex(value->>0) AS id, value->>1 AS balance, value->>2 AS held, \
                        value->>3 AS next_expiry, value->>4 AS seq, value->>5 AS version FROM json_each(?1)) AS u \
                        WHERE accounts.id = u.id";

const TRANSFERS: &str = "INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, \
                         created_by, description, external_ref, metadata, status, pending_of, reversal_of, \
                         expires_at, posted_at, created_at) \
                         SELECT value->>0, unhex(value->>1), unhex(value->>2), unhex(value->>3), value->>4, value->>5, \
                         unhex(value->>6), value->>7, value->>8, value->>9, value->>10, unhex(value->>11), \
                         unhex(value->>12), value->>13, CASE value->>10 WHEN 'posted' THEN ?2 END, ?2 \
                         FROM json_each(?1)";

const ENTRIES: &str = "INSERT INTO entries (position, transfer_id, account_id, seq, amount, balance_after, posted_at) \
                       SELECT value->>0, unhex(value->>1), unhex(value->>2), value->>3, value->>4, value->>5, ?2 \
                       FROM json_each(?1)";

const EVENTS: &str = "INSERT INTO outbox_events (position, id, kind, subject, recorded_at) \
                      SELECT value->>0, unhex(value->>1), 'transfer.' || (value->>2), unhex(value->>1), ?2 \
                      FROM json_each(?1)";

const BATCH: &str = "INSERT INTO ledger_batches (batch_no, first_position, last_position, posted_at, content, hash, \
                     format) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 2)";

const HEAD: &str = "SELECT batch_no, position, committed_at, hash FROM ledger_head WHERE id = 1";

const MOVE_HEAD: &str = "UPDATE ledger_head SET batch_no = ?1, position = ?2, committed_at = ?3, hash = ?4 \
                         WHERE id = 1";

/// Where a batch stands in the order of commit.
struct Place {
    base: i64,
    at: i64,
}

pub(super) async fn write(connection: &mut SqliteConnection, rows: &Rows) -> Result<Committed, CommitError> {
    sqlx::query(KEYS).bind(json(&key_rows(&rows.keys))?).execute(&mut *connection).await?;
    let accounts = json(&account_rows(rows))?;
    sqlx::query(ACCOUNTS).bind(accounts).bind(rows.asked).execute(&mut *connection).await?;
    if rows.transfers.is_empty() && rows.rest.is_none() {
        return Ok(Committed::default());
    }
    let place = move_head(connection, rows).await?;
    if !rows.transfers.is_empty() {
        transfers(connection, rows, &place).await?;
    }
    if let Some(rest) = &rows.rest {
        for sql in SQLITE_ROWS {
            sqlx::query(sql).bind(rest).execute(&mut *connection).await?;
        }
        sqlx::query(SQLITE_EVENTS).bind(rest).bind(place.base).bind(place.at).execute(&mut *connection).await?;
    }
    Ok(Committed { at: Some(place.at), moved: Vec::new() })
}

/// Takes the places of the batch, and links it to the chain if it has transfers.
async fn move_head(connection: &mut SqliteConnection, rows: &Rows) -> Result<Place, CommitError> {
    let head = sqlx::query(HEAD).fetch_one(&mut *connection).await?;
    let (batch_no, position, committed_at) = (head.try_get::<i64, _>(0)?, head.try_get::<i64, _>(1)?, head.try_get(2)?);
    let base = position.max(rows.month_start);
    let at = rows.asked.max(i64::saturating_add(committed_at, 1));
    let count = i64::try_from(rows.transfers.len()).unwrap_or(i64::MAX);
    let last = base + count + rows.events;
    let (mut hash, mut number) = (head.try_get::<Vec<u8>, _>(3)?, batch_no);
    if count > 0 {
        let content = chain::content(&rows.transfers);
        number += 1;
        hash = chain::link(&hash, (number, base + 1, at), &content).to_vec();
        let batch = sqlx::query(BATCH).bind(number).bind(base + 1).bind(last).bind(at).bind(content.to_vec());
        batch.bind(hash.clone()).execute(&mut *connection).await?;
    }
    sqlx::query(MOVE_HEAD).bind(number).bind(last).bind(at).bind(hash).execute(connection).await?;
    Ok(Place { base, at })
}

async fn transfers(connection: &mut SqliteConnection, rows: &Rows, place: &Place) -> Result<(), CommitError> {
    let transfers: Vec<_> = (place.base + 1..).zip(&rows.transfers).collect();
    for (sql, rows) in [
        (TRANSFERS, json(&transfer_rows(&transfers))?),
        (ENTRIES, json(&entry_rows(&transfers))?),
        (EVENTS, json(&event_rows(&transfers))?),
    ] {
        sqlx::query(sql).bind(rows).bind(place.at).execute(&mut *connection).await?;
    }
    Ok(())
}

fn key_rows(keys: &[KeyRow]) -> Vec<impl Serialize> {
    let row = |key: &KeyRow| {
        let kept = key.outcome.keep();
        let body = kept.body.map(hex::encode);
        (hex(key.digest.0), hex(key.fingerprint), kept.status, kept.transfer.map(hex), body)
    };
    keys.iter().map(row).collect()
}

/// Under the write lock nothing can have moved, so those that are only added to are set like the others.
fn account_rows(rows: &Rows) -> Vec<impl Serialize> {
    let after = rows.accounts.iter().map(|row| row.after).chain(rows.added.iter().map(|row| row.after));
    let row = |after: Account| {
        (hex(after.id.as_uuid()), after.balance, after.held, after.next_expiry, after.seq, after.version)
    };
    after.map(row).collect()
}

fn transfer_rows(transfers: &[(i64, &TransferRow)]) -> Vec<impl Serialize> {
    let row = |(position, row): &(i64, &TransferRow)| {
        let Decided { record, memo } = row.decided.as_ref();
        (
            *position,
            hex(record.id.as_uuid()),
            hex(record.debit.as_uuid()),
            hex(record.credit.as_uuid()),
            record.amount.get(),
            record.currency.code(),
            hex(record.by.as_uuid()),
            memo.description.clone(),
            memo.external_ref.clone(),
            memo.metadata.as_ref().map(|raw| raw.get().to_owned()),
            record.status.as_str(),
            record.pending_of.map(|id| hex(id.as_uuid())),
            record.reversal_of.map(|id| hex(id.as_uuid())),
            record.expires_at,
        )
    };
    transfers.iter().map(row).collect()
}

fn entry_rows(transfers: &[(i64, &TransferRow)]) -> Vec<impl Serialize> {
    let sides = |(position, row): &(i64, &TransferRow)| {
        let (id, amount) = (hex(row.decided.record.id.as_uuid()), row.decided.record.amount.get());
        let entry = |(side, amount): (Account, i64)| {
            (*position, id.clone(), hex(side.id.as_uuid()), side.seq, amount, side.balance)
        };
        row.posting.map(|posting| [(posting.debit, -amount), (posting.credit, amount)].map(entry))
    };
    transfers.iter().filter_map(sides).flatten().collect()
}

fn event_rows(transfers: &[(i64, &TransferRow)]) -> Vec<impl Serialize> {
    let kind = |status: Recorded| status.as_str();
    let row = |(position, row): &(i64, &TransferRow)| {
        (*position, hex(row.decided.record.id.as_uuid()), kind(row.decided.record.status))
    };
    transfers.iter().map(row).collect()
}
