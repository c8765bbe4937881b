//! Queries on the keys of transfers.

use sea_orm::{DbErr, EntityTrait};
use uuid::Uuid;

use crate::db::Database;
use crate::db::entity::transfer_key;
use crate::posting::KeyDigest;

/// What was asked under a key, if it has an outcome.
pub async fn fingerprint_of(db: &Database, key: KeyDigest) -> Result<Option<Uuid>, DbErr> {
    let row = transfer_key::Entity::find_by_id(key.0).one(&db.pool).await?;
    Ok(row.map(|row| row.fingerprint))
}
