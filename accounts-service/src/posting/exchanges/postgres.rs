//! On PostgreSQL: one statement per table.

use shared::domain::AccountId;
use sqlx::postgres::PgConnection;
use sqlx::{Row, query};
use uuid::Uuid;

use super::{read_carry, read_rate};
use crate::exchange::rate::Remainder;
use crate::posting::core::{Newest, Pair};
use crate::posting::error::CommitError;
use crate::posting::rows::Rows;

const RATES: &str = "SELECT r.base, r.quote, r.id, r.rate, r.base_account_id, r.quote_account_id, \
                     r.rounding_account_id, r.valid_until \
                     FROM unnest($1::text[], $2::text[]) AS p (base, quote) JOIN exchange_rates r ON r.position = \
                     (SELECT max(n.position) FROM exchange_rates n WHERE n.base = p.base AND n.quote = p.quote) \
                     ORDER BY r.base, r.quote";

const LOCK: &str = "SELECT rounding_account_id, grains FROM exchange_carries WHERE rounding_account_id = ANY($1) \
                    ORDER BY rounding_account_id FOR UPDATE";

const CARRY: &str = "UPDATE exchange_carries c SET grains = u.grains \
                     FROM unnest($1::uuid[], $2::bigint[]) AS u (id, grains) WHERE c.rounding_account_id = u.id";

const PLACE: &str = "UPDATE ledger_head SET position = position + $1 WHERE id = 1 RETURNING position";

const EXCHANGES: &str = "INSERT INTO exchanges (position, id, rate_id, paid_transfer_id, received_transfer_id, \
                         rounding_transfer_id, remainder, created_by, created_at) \
                         SELECT $1 + n, id, rate, paid, received, rounding, remainder, by, $2 \
                         FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::bigint[], \
                         $9::uuid[]) WITH ORDINALITY AS u (id, rate, paid, received, rounding, remainder, by, n)";

const EVENTS: &str = "INSERT INTO outbox_events (position, id, kind, subject, data, recorded_at) \
                      SELECT $1 + n, id, 'exchange.made', subject, data, $2 \
                      FROM unnest($3::uuid[], $4::uuid[], $5::text[]) WITH ORDINALITY AS u (id, subject, data, n)";

/// The newest rate of each pair that has any.
pub(in crate::posting) async fn rates(
    connection: &mut PgConnection,
    pairs: &[Pair],
) -> Result<Vec<(Pair, Newest)>, CommitError> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let (base, quote): (Vec<_>, Vec<_>) = pairs.iter().map(|(base, quote)| (base.code(), quote.code())).unzip();
    let rows = query(RATES).bind(base).bind(quote).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(read_rate!(row))).collect()
}

/// What rounding has gathered, locked.
pub(in crate::posting) async fn carries(
    connection: &mut PgConnection,
    accounts: &[Uuid],
) -> Result<Vec<(AccountId, Remainder)>, CommitError> {
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let rows = query(LOCK).bind(accounts).fetch_all(connection).await?;
    rows.iter().map(|row| Ok(read_carry!(row))).collect()
}

/// Writes what was decided, under the lock on the chain's head.
pub(in crate::posting) async fn write(connection: &mut PgConnection, rows: &Rows, at: i64) -> Result<(), CommitError> {
    let (accounts, grains): (Vec<_>, Vec<_>) =
        rows.carries.iter().map(|(id, carry)| (id.as_uuid(), carry.grains())).unzip();
    query(CARRY).bind(accounts).bind(grains).execute(&mut *connection).await?;
    let count = i64::try_from(rows.exchanges.len()).unwrap_or(i64::MAX);
    let place: i64 = query(PLACE).bind(count).fetch_one(&mut *connection).await?.try_get(0)?;
    let (base, made) = (place - count, &rows.exchanges);
    let ids = |of: fn(&super::ExchangeRow) -> Uuid| made.iter().map(of).collect::<Vec<_>>();
    query(EXCHANGES)
        .bind(base)
        .bind(at)
        .bind(ids(|row| row.wish.id.as_uuid()))
        .bind(ids(|row| row.exchanged.newest.id.as_uuid()))
        .bind(ids(|row| row.exchanged.paid.0.record.id.as_uuid()))
        .bind(ids(|row| row.exchanged.received.0.record.id.as_uuid()))
        .bind(made.iter().map(super::ExchangeRow::rounding).collect::<Vec<_>>())
        .bind(made.iter().map(|row| row.exchanged.remainder.grains()).collect::<Vec<_>>())
        .bind(ids(|row| row.wish.by.as_uuid()))
        .execute(&mut *connection)
        .await?;
    query(EVENTS)
        .bind(base)
        .bind(at)
        .bind(ids(|row| row.wish.id.as_uuid()))
        .bind(ids(|row| row.wish.debit.as_uuid()))
        .bind(made.iter().map(super::ExchangeRow::event).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    Ok(())
}
