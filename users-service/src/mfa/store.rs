//! The rows of second factors. Who changes any holds the user's row.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use shared::domain::UserId;

use crate::db::entity::{recovery_code, totp_factor};
use crate::db::{self, Database, Fault, Write};

/// Somebody's authenticator app, confirmed or not.
pub(super) async fn find<C: ConnectionTrait>(db: &C, user: UserId) -> Result<Option<totp_factor::Model>, Fault> {
    Ok(totp_factor::Entity::find_by_id(user.as_uuid()).one(db).await?)
}

/// Their app, if they have confirmed it.
pub(super) async fn confirmed<C: ConnectionTrait>(db: &C, user: UserId) -> Result<Option<totp_factor::Model>, Fault> {
    Ok(find(db, user).await?.filter(|row| row.confirmed_at.is_some()))
}

/// Whether somebody has a second factor.
///
/// # Errors
/// When the statement fails.
pub async fn is_on<C: ConnectionTrait>(db: &C, user: UserId) -> Result<bool, Fault> {
    Ok(confirmed(db, user).await?.is_some())
}

/// Keeps the secret of an app that is being set up, in place of an earlier one.
pub(super) async fn offer(write: &Write, user: UserId, sealed: Vec<u8>, now: i64) -> Result<(), Fault> {
    totp_factor::Entity::delete_by_id(user.as_uuid()).exec(write.transaction()).await?;
    let row = totp_factor::ActiveModel {
        user_id: Set(user.as_uuid()),
        secret: Set(sealed),
        last_step: Set(0),
        created_at: Set(now),
        confirmed_at: Set(None),
    };
    totp_factor::Entity::insert(row).exec_without_returning(write.transaction()).await?;
    Ok(())
}

/// Takes a code's step: `false` when it, or a later one, was taken before. With what else changes in the row.
pub(super) async fn take(
    write: &Write,
    user: UserId,
    step: i64,
    changes: totp_factor::ActiveModel,
) -> Result<bool, Fault> {
    let row = totp_factor::ActiveModel { last_step: Set(step), ..changes };
    let fresh = totp_factor::Entity::update_many()
        .set(row)
        .filter(totp_factor::Column::UserId.eq(user.as_uuid()))
        .filter(totp_factor::Column::LastStep.lt(step));
    Ok(fresh.exec(write.transaction()).await?.rows_affected == 1)
}

/// Gives somebody these recovery codes and no others.
pub(super) async fn replace_codes(
    write: &Write,
    user: UserId,
    digests: impl IntoIterator<Item = Vec<u8>>,
    now: i64,
) -> Result<(), Fault> {
    drop_codes(write, user).await?;
    let rows = digests.into_iter().map(|digest| recovery_code::ActiveModel {
        user_id: Set(user.as_uuid()),
        digest: Set(digest),
        created_at: Set(now),
        used_at: Set(None),
    });
    recovery_code::Entity::insert_many(rows).exec_without_returning(write.transaction()).await?;
    Ok(())
}

/// Uses a recovery code up: `false` when there is none such, or none any more.
pub(super) async fn use_code(write: &Write, user: UserId, digest: Vec<u8>, now: i64) -> Result<bool, Fault> {
    let row = recovery_code::ActiveModel { used_at: Set(Some(now)), ..Default::default() };
    let unused = recovery_code::Entity::update_many()
        .set(row)
        .filter(recovery_code::Column::UserId.eq(user.as_uuid()))
        .filter(recovery_code::Column::Digest.eq(digest))
        .filter(recovery_code::Column::UsedAt.is_null());
    Ok(unused.exec(write.transaction()).await?.rows_affected == 1)
}

/// How many recovery codes are left.
pub(super) async fn codes_left<C: ConnectionTrait>(db: &C, user: UserId) -> Result<u64, Fault> {
    let unused = recovery_code::Entity::find().filter(recovery_code::Column::UserId.eq(user.as_uuid()));
    Ok(unused.filter(recovery_code::Column::UsedAt.is_null()).count(db).await?)
}

async fn drop_codes(write: &Write, user: UserId) -> Result<(), Fault> {
    let of_user = recovery_code::Column::UserId.eq(user.as_uuid());
    recovery_code::Entity::delete_many().filter(of_user).exec(write.transaction()).await?;
    Ok(())
}

/// Takes somebody's app and recovery codes. Its record, and word to them, are the caller's.
pub(super) async fn remove_app(write: &Write, user: UserId) -> Result<(), Fault> {
    drop_codes(write, user).await?;
    totp_factor::Entity::delete_by_id(user.as_uuid()).exec(write.transaction()).await?;
    Ok(())
}

/// Removes apps that nobody has confirmed since `before`.
///
/// # Errors
/// When the statement fails.
pub async fn sweep(database: &Database, before: i64) -> Result<(), Fault> {
    let due = "confirmed_at IS NULL AND created_at < $1";
    db::remove_where(database, ("totp_factors", "user_id"), due, &[before]).await
}
