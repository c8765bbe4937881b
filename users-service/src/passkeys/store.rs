//! The rows of passkeys.

use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};
use shared::clock::Clock;
use shared::domain::{PasskeyId, UserId};

use super::assertion::Told;
use super::registration::NewPasskey;
use crate::db::entity::passkey::{ActiveModel, Column, Entity, Model};
use crate::db::{Fault, Write};

/// The one that authenticators call this, whosever it is.
pub(super) async fn called<C: ConnectionTrait>(db: &C, credential_id: &[u8]) -> Result<Option<Model>, Fault> {
    Ok(Entity::find().filter(Column::CredentialId.eq(credential_id)).one(db).await?)
}

/// One of somebody's.
pub(super) async fn one<C: ConnectionTrait>(db: &C, user: UserId, id: PasskeyId) -> Result<Option<Model>, Fault> {
    let theirs = Entity::find_by_id(id.as_uuid()).filter(Column::UserId.eq(user.as_uuid()));
    Ok(theirs.one(db).await?)
}

/// How many somebody has.
pub(super) async fn count<C: ConnectionTrait>(db: &C, user: UserId) -> Result<u64, Fault> {
    Ok(Entity::find().filter(Column::UserId.eq(user.as_uuid())).count(db).await?)
}

/// Writes a new one. The caller holds the user's row.
pub(super) async fn insert(
    write: &Write,
    user: UserId,
    name: &str,
    new: &NewPasskey,
    clock: &Clock,
) -> Result<Model, Fault> {
    let row = Model {
        id: PasskeyId::generate(clock).as_uuid(),
        user_id: user.as_uuid(),
        credential_id: new.credential_id.clone(),
        public_key: new.public_key.clone(),
        algorithm: new.algorithm,
        sign_count: new.sign_count,
        backup_eligible: new.backup_eligible,
        backed_up: new.backed_up,
        transports: new.transports.clone(),
        name: name.to_owned(),
        created_at: clock.now_micros(),
        last_used_at: None,
    };
    Entity::insert(row.clone().into_active_model().reset_all()).exec_without_returning(write.transaction()).await?;
    Ok(row)
}

/// Notes that it was used. The caller holds the user's row.
pub(super) async fn used(write: &Write, row: &Model, told: Told, now: i64) -> Result<(), Fault> {
    let changes = ActiveModel {
        sign_count: Set(told.sign_count),
        backed_up: Set(told.backed_up),
        last_used_at: Set(Some(now)),
        ..Default::default()
    };
    Entity::update_many().set(changes).filter(Column::Id.eq(row.id)).exec(write.transaction()).await?;
    Ok(())
}

/// Gives it another name. The caller holds the user's row.
pub(super) async fn rename(write: &Write, row: &Model, name: &str) -> Result<(), Fault> {
    let changes = ActiveModel { name: Set(name.to_owned()), ..Default::default() };
    Entity::update_many().set(changes).filter(Column::Id.eq(row.id)).exec(write.transaction()).await?;
    Ok(())
}

/// Takes it away. The caller holds the user's row.
pub(super) async fn delete(write: &Write, row: &Model) -> Result<(), Fault> {
    Entity::delete_by_id(row.id).exec(write.transaction()).await?;
    Ok(())
}
