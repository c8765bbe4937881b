//! Removing many rows without holding anybody up: so many at a time, each time in a transaction of its own.

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement, Value};
use uuid::Uuid;

use super::{Database, Fault, Kind};

/// Rows removed in one transaction.
const BATCH: u64 = 500;

/// Removes the rows for which `due` holds, whose key is `id`. What somebody else holds is passed over until the next time:
/// whoever removes in no order of their own must wait for no lock.
///
/// # Errors
/// When a statement fails; what was removed before stays removed.
pub async fn remove<E: EntityTrait>(database: &Database, id: E::Column, due: Condition) -> Result<(), Fault> {
    loop {
        let write = database.write().await?;
        let rows = E::find().select_only().column(id).filter(due.clone()).limit(BATCH);
        let rows = rows.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
        let ids: Vec<Uuid> = rows.into_tuple().all(write.transaction()).await?;
        let last = (ids.len() as u64) < BATCH;
        if !ids.is_empty() {
            E::delete_many().filter(id.is_in(ids)).exec(write.transaction()).await?;
        }
        write.commit().await?;
        if last {
            return Ok(());
        }
    }
}

/// The same for rows whose `key` is more than an id, or is none that an entity names: `due` is a condition in which `$1` and so
/// on stand for `values`.
///
/// # Errors
/// When a statement fails; what was removed before stays removed.
pub async fn remove_where(
    database: &Database,
    (table, key): (&'static str, &'static str),
    due: &'static str,
    values: &[i64],
) -> Result<(), Fault> {
    // On SQLite there is one writer, and it is this one.
    let passing = match database.kind() {
        Kind::Postgres => " FOR UPDATE SKIP LOCKED",
        Kind::Sqlite => "",
    };
    let some = format!("SELECT {key} FROM {table} WHERE {due} LIMIT {BATCH}{passing}");
    let sql = format!("DELETE FROM {table} WHERE ({key}) IN ({some})");
    loop {
        let write = database.write().await?;
        let values = values.iter().map(|value| Value::from(*value));
        let statement = Statement::from_sql_and_values(write.get_database_backend(), sql.as_str(), values);
        let removed = write.execute_raw(statement).await?.rows_affected();
        write.commit().await?;
        if removed < BATCH {
            return Ok(());
        }
    }
}
