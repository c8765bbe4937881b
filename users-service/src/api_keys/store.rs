//! The rows of API keys.

use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter,
    QueryOrder,
};
use shared::clock::Clock;
use shared::domain::{ApiKeyId, UserId};

use super::key::ApiKey;
use super::model::NewKey;
use crate::db::entity::api_key::{ActiveModel, Column, Entity, Model};
use crate::db::{self, Database, Fault, Write};

/// Those of somebody that are not revoked.
fn of(user: UserId) -> Condition {
    Condition::all().add(Column::UserId.eq(user.as_uuid())).add(Column::RevokedAt.is_null())
}

/// Somebody's keys, the newest first.
pub(super) async fn all<C: ConnectionTrait>(db: &C, user: UserId) -> Result<Vec<Model>, Fault> {
    Ok(Entity::find().filter(of(user)).order_by_desc(Column::Id).all(db).await?)
}

/// One of somebody's keys.
pub(super) async fn one<C: ConnectionTrait>(db: &C, user: UserId, key: ApiKeyId) -> Result<Option<Model>, Fault> {
    Ok(Entity::find().filter(of(user)).filter(Column::Id.eq(key.as_uuid())).one(db).await?)
}

/// How many they have, expired ones among them. The caller holds the user's row, where that matters.
pub(super) async fn count<C: ConnectionTrait>(db: &C, user: UserId) -> Result<u64, Fault> {
    Ok(Entity::find().filter(of(user)).count(db).await?)
}

/// Whether one of them has this name. The caller holds the user's row.
pub(super) async fn has_name<C: ConnectionTrait>(db: &C, user: UserId, name: &str) -> Result<bool, Fault> {
    Ok(Entity::find().filter(of(user)).filter(Column::Name.eq(name)).count(db).await? > 0)
}

/// Writes a new one. The caller holds the user's row.
pub(super) async fn insert(
    write: &Write,
    user: UserId,
    new: &NewKey,
    key: &ApiKey,
    clock: &Clock,
) -> Result<Model, Fault> {
    let row = Model {
        id: ApiKeyId::generate(clock).as_uuid(),
        user_id: user.as_uuid(),
        name: new.name.clone(),
        prefix: key.shown(),
        digest: key.digest(),
        scopes: new.scopes.join(" "),
        created_at: clock.now_micros(),
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let inserted: ActiveModel = row.clone().into();
    Entity::insert(inserted.reset_all()).exec_without_returning(write.transaction()).await?;
    Ok(row)
}

/// The living key with this digest.
pub(super) async fn living<C: ConnectionTrait>(db: &C, key: &ApiKey, now: i64) -> Result<Option<Model>, Fault> {
    let lives = Column::ExpiresAt.is_null().or(Column::ExpiresAt.gt(now));
    let row = Entity::find().filter(Column::Digest.eq(key.digest())).filter(Column::RevokedAt.is_null()).filter(lives);
    Ok(row.one(db).await?)
}

/// Ends a key of somebody's: `false` when they have none of this id that has not ended.
pub(super) async fn revoke(write: &Write, user: UserId, key: ApiKeyId, now: i64) -> Result<bool, Fault> {
    let row = ActiveModel { revoked_at: Set(Some(now)), ..Default::default() };
    let mine = Entity::update_many().set(row).filter(of(user)).filter(Column::Id.eq(key.as_uuid()));
    Ok(mine.exec(write.transaction()).await?.rows_affected == 1)
}

/// Ends every key of somebody's, and says which. The caller holds the user's row, and tells the gateways.
///
/// # Errors
/// When a statement fails.
pub async fn end_all(write: &Write, user: UserId, clock: &Clock) -> Result<Vec<ApiKeyId>, Fault> {
    let theirs: Vec<ApiKeyId> = all(write.transaction(), user).await?.iter().map(|row| row.id.into()).collect();
    for key in &theirs {
        revoke(write, user, *key, clock.now_micros()).await?;
    }
    Ok(theirs)
}

/// Notes that a key was used at `at`, unless a later use is known.
pub(super) async fn used(write: &Write, key: ApiKeyId, at: i64) -> Result<(), Fault> {
    let row = ActiveModel { last_used_at: Set(Some(at)), ..Default::default() };
    let earlier = Column::LastUsedAt.is_null().or(Column::LastUsedAt.lt(at));
    let of_key = Entity::update_many().set(row).filter(Column::Id.eq(key.as_uuid())).filter(earlier);
    of_key.exec(write.transaction()).await?;
    Ok(())
}

/// Removes keys that were revoked, or have expired, before `before` (microseconds).
///
/// # Errors
/// When the statement fails.
pub async fn sweep(database: &Database, before: i64) -> Result<(), Fault> {
    let gone = Column::RevokedAt.lt(before).or(Column::ExpiresAt.lt(before));
    db::remove::<Entity>(database, Column::Id, Condition::all().add(gone)).await
}
