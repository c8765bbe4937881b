//! The last administrator cannot be demoted, disabled or deleted, not even by two who demote each other at once.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use shared::domain::{Role, UserId};

use crate::db::entity::user::{Column, Entity};
use crate::db::{Counter, Fault, Write};
use crate::users::UserError;

/// To be called first in a transaction that may take an administrator away: whoever does so waits here for the other.
///
/// # Errors
/// When the statement fails.
pub async fn lock(write: &Write) -> Result<(), Fault> {
    write.next(Counter::Administrators).await.map(drop)
}

/// Refuses when nobody but `leaving` is an active administrator. The caller holds [`lock`].
///
/// # Errors
/// 409 `last_administrator`.
pub async fn keep_an_administrator(write: &Write, leaving: UserId) -> Result<(), UserError> {
    let others = Entity::find()
        .filter(Column::Roles.contains(Role::Admin.as_str()))
        .filter(Column::DisabledAt.is_null())
        .filter(Column::DeletedAt.is_null())
        .filter(Column::Id.ne(leaving.as_uuid()))
        .count(write.transaction())
        .await
        .map_err(Fault::from)?;
    if others == 0 { Err(UserError::LastAdministrator) } else { Ok(()) }
}
