//! Limits in the database, and what counts against a new one.

use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait};
use sea_orm::{QueryFilter, Statement, Value};
use shared::domain::AccountId;
use shared::problem::Problem;

use crate::db::entity::{account_limit, account_slice};
use crate::posting::outside::teach;
use crate::posting::{Limit, Need, Slice, State, Window};

/// The limits of an account, and what counts against them.
pub async fn windows<C: ConnectionTrait>(db: &C, account: AccountId, now: i64) -> Result<Vec<Window>, Problem> {
    let mut state = State::default();
    teach(db, &mut state, &[Need::Windows(account)], now).await?;
    let windows = state.windows(account).map_err(|need| Problem::internal(format!("{need:?} was not looked up")))?;
    Ok(windows.to_vec())
}

/// Replaces the limits of an account whose row the transaction has locked: nothing is debited meanwhile.
pub async fn replace(tx: &DatabaseTransaction, account: AccountId, windows: &[Window]) -> Result<(), DbErr> {
    let id = account.as_uuid();
    account_limit::Entity::delete_many().filter(account_limit::Column::AccountId.eq(id)).exec(tx).await?;
    account_slice::Entity::delete_many().filter(account_slice::Column::AccountId.eq(id)).exec(tx).await?;
    let limit = |Window { limit, .. }: &Window| account_limit::ActiveModel {
        account_id: Set(id),
        window_seconds: Set(limit.seconds),
        most_amount: Set(limit.amount),
        most_count: Set(limit.count),
    };
    if !windows.is_empty() {
        account_limit::Entity::insert_many(windows.iter().map(limit)).exec_without_returning(tx).await?;
    }
    let slices = windows.iter().flat_map(|window| window.slices.iter().map(move |slice| (window.limit, slice)));
    let slices: Vec<_> = slices
        .map(|(limit, slice)| account_slice::ActiveModel {
            account_id: Set(id),
            window_seconds: Set(limit.seconds),
            slice: Set(slice.number),
            amount: Set(slice.amount),
            count: Set(slice.count),
        })
        .collect();
    if !slices.is_empty() {
        account_slice::Entity::insert_many(slices).exec_without_returning(tx).await?;
    }
    Ok(())
}

/// A window as it would be if its limit had been there all the time: from what was debited, and what is or was held.
pub async fn filled(tx: &DatabaseTransaction, account: AccountId, limit: Limit, now: i64) -> Result<Window, DbErr> {
    let since = limit.oldest(now) * limit.slice_micros();
    let place = place(tx, since).await?;
    let mut window = Window { limit, slices: Vec::new() };
    for sql in [debits(tx.get_database_backend()), HELD.to_owned()] {
        let values: [Value; 4] = [account.as_uuid().into(), place.into(), since.into(), limit.slice_micros().into()];
        let rows = tx.query_all_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
        for row in rows {
            let (number, amount, count) =
                (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            let more = Slice { number, amount, count };
            let known = window.slices.iter().find(|slice| slice.number == number).copied().unwrap_or_default();
            window.put(Slice { number, amount: known.amount + more.amount, count: known.count + more.count });
        }
    }
    Ok(window)
}

/// The last position that was taken before an instant.
async fn place(tx: &DatabaseTransaction, instant: i64) -> Result<i64, DbErr> {
    let sql = "SELECT last_position FROM ledger_batches WHERE posted_at < $1 ORDER BY posted_at DESC LIMIT 1";
    let row =
        tx.query_one_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, [instant.into()])).await?;
    row.map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// Debits by slice. What a hold became counts where the hold was made, and a refund does not count at all.
fn debits(backend: DbBackend) -> String {
    let later = match backend {
        DbBackend::Sqlite => "e.position > $2",
        _ => "e.seq > seq_at($1, $2)",
    };
    format!(
        "SELECT e.posted_at / $4 AS slice, CAST(sum(-e.amount) AS bigint), count(*) FROM entries e \
         JOIN transfers t ON t.position = e.position WHERE e.account_id = $1 AND {later} AND e.position > $2 \
         AND e.posted_at >= $3 AND e.amount < 0 AND t.pending_of IS NULL AND t.reversal_of IS NULL GROUP BY 1"
    )
}

/// Holds by slice, without what was let go.
const HELD: &str = "SELECT h.slice_at / $4 AS slice, CAST(sum(h.amount - h.released) AS bigint), count(*) \
                    FROM transfers t JOIN holds h ON h.transfer_id = t.id \
                    WHERE t.debit_account_id = $1 AND t.position > $2 AND t.status <> 'posted' AND t.status = 'pending' \
                    AND h.slice_at >= $3 AND h.released < h.amount GROUP BY 1";
