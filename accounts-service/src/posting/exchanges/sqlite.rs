//! On SQLite: nobody else writes, so nothing is locked, and one row is written after the other.

use shared::domain::AccountId;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, query};
use uuid::Uuid;

use super::{read_carry, read_rate};
use crate::exchange::rate::Remainder;
use crate::posting::core::{Newest, Pair};
use crate::posting::error::CommitError;
use crate::posting::rows::Rows;

const RATE: &str = "SELECT base, quote, id, rate, base_account_id, quote_account_id, rounding_account_id, valid_until \
                    FROM exchange_rates WHERE base = ?1 AND quote = ?2 ORDER BY position DESC LIMIT 1";

const CARRY: &str = "SELECT rounding_account_id, grains FROM exchange_carries WHERE rounding_account_id = ?1";

const SET_CARRY: &str = "UPDATE exchange_carries SET grains = ?2 WHERE rounding_account_id = ?1";

const PLACE: &str = "UPDATE ledger_head SET position = position + 1 WHERE id = 1 RETURNING position";

const EXCHANGE: &str = "INSERT INTO exchanges (position, id, rate_id, paid_transfer_id, received_transfer_id, \
                        rounding_transfer_id, remainder, created_by, created_at) \
                        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const EVENT: &str = "INSERT INTO outbox_events (position, id, kind, subject, data, recorded_at) \
                     VALUES (?1, ?2, 'exchange.made', ?3, ?4, ?5)";

/// The newest rate of each pair that has any.
pub(in crate::posting) async fn rates(
    connection: &mut SqliteConnection,
    pairs: &[Pair],
) -> Result<Vec<(Pair, Newest)>, CommitError> {
    let mut rates = Vec::new();
    for (base, quote) in pairs {
        let row = query(RATE).bind(base.code()).bind(quote.code()).fetch_optional(&mut *connection).await?;
        rates.extend(row.map(|row| Ok::<_, CommitError>(read_rate!(row))).transpose()?);
    }
    Ok(rates)
}

/// What rounding has gathered.
pub(in crate::posting) async fn carries(
    connection: &mut SqliteConnection,
    accounts: &[Uuid],
) -> Result<Vec<(AccountId, Remainder)>, CommitError> {
    let mut carries = Vec::new();
    for account in accounts {
        let row = query(CARRY).bind(account).fetch_optional(&mut *connection).await?;
        carries.extend(row.map(|row| Ok::<_, CommitError>(read_carry!(row))).transpose()?);
    }
    Ok(carries)
}

/// Writes what was decided.
pub(in crate::posting) async fn write(
    connection: &mut SqliteConnection,
    rows: &Rows,
    at: i64,
) -> Result<(), CommitError> {
    for (id, carry) in &rows.carries {
        query(SET_CARRY).bind(id.as_uuid()).bind(carry.grains()).execute(&mut *connection).await?;
    }
    for row in &rows.exchanges {
        let position: i64 = query(PLACE).fetch_one(&mut *connection).await?.try_get(0)?;
        query(EXCHANGE)
            .bind(position)
            .bind(row.wish.id.as_uuid())
            .bind(row.exchanged.newest.id.as_uuid())
            .bind(row.exchanged.paid.0.record.id.as_uuid())
            .bind(row.exchanged.received.0.record.id.as_uuid())
            .bind(row.rounding())
            .bind(row.exchanged.remainder.grains())
            .bind(row.wish.by.as_uuid())
            .bind(at)
            .execute(&mut *connection)
            .await?;
        query(EVENT)
            .bind(position)
            .bind(row.wish.id.as_uuid())
            .bind(row.wish.debit.as_uuid())
            .bind(row.event())
            .bind(at)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
