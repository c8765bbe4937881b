//! When and how whoever holds a session last proved who they are.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use shared::domain::{SessionId, UserId};

use crate::db::entity::session::{ActiveModel, Column, Entity};
use crate::db::{Fault, Write};

/// What a living session says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// When, in microseconds; 0 where that is not known.
    pub at: i64,
    /// How, in RFC 8176's words.
    pub amr: String,
}

/// The proof of a session that has not ended, if it is this user's.
///
/// # Errors
/// When the statement fails.
pub async fn proof<C: ConnectionTrait>(db: &C, id: SessionId, user: UserId) -> Result<Option<Proof>, Fault> {
    let living = Entity::find_by_id(id.as_uuid()).filter(Column::UserId.eq(user.as_uuid()));
    let row = living.filter(Column::EndedAt.is_null()).one(db).await?;
    Ok(row.map(|row| Proof { at: row.authenticated_at, amr: row.amr }))
}

/// Notes a proof of now in a session; `false` when it has ended or is somebody else's.
///
/// # Errors
/// When the statement fails.
pub async fn prove(write: &Write, id: SessionId, user: UserId, amr: &str, now: i64) -> Result<bool, Fault> {
    let row = ActiveModel { authenticated_at: Set(now), amr: Set(amr.to_owned()), ..Default::default() };
    let noted = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::UserId.eq(user.as_uuid()))
        .filter(Column::EndedAt.is_null())
        .filter(Column::ExpiresAt.gt(now))
        .exec(write.transaction())
        .await?;
    Ok(noted.rows_affected == 1)
}

/// Adds words to how the holder of a session has proved who they are, but nothing to when; `false` when it has ended or is
/// somebody else's. The caller holds the user's row, as all who write these words do.
///
/// # Errors
/// When the statement fails.
pub async fn strengthen(write: &Write, id: SessionId, user: UserId, amr: &[&str]) -> Result<bool, Fault> {
    let Some(before) = proof(write.transaction(), id, user).await? else { return Ok(false) };
    let mut words: Vec<_> = before.amr.split_ascii_whitespace().collect();
    for word in amr {
        if !words.contains(word) {
            words.push(word);
        }
    }
    let row = ActiveModel { amr: Set(words.join(" ")), ..Default::default() };
    let living = Entity::update_many().set(row).filter(Column::Id.eq(id.as_uuid()));
    let living = living.filter(Column::UserId.eq(user.as_uuid())).filter(Column::EndedAt.is_null());
    Ok(living.exec(write.transaction()).await?.rows_affected == 1)
}
