//! Removing many rows without holding anybody up: so many at a time, each time in a transaction of its own.

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{Database, Fault};

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
