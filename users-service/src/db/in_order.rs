//! Holding many rows at once: everybody in the order of their ids, so that two who want some of the same ones wait, and are
//! in no deadlock.

use sea_orm::sea_query::LockType;
use sea_orm::{Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{Fault, Write};

/// Locks the rows for which `whose` holds until the transaction's end, and says which; their key is `id`. A statement that
/// changes many takes them as it comes across them, so this goes before it.
///
/// # Errors
/// When the statement fails.
pub async fn hold<E: EntityTrait>(write: &Write, id: E::Column, whose: Condition) -> Result<Vec<Uuid>, Fault> {
    let rows = E::find().select_only().column(id).filter(whose).order_by_asc(id);
    Ok(rows.lock(LockType::NoKeyUpdate).into_tuple().all(write.transaction()).await?)
}
