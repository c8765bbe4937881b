//! What there is of passkeys whether or not this build takes them: shown among the factors, taken away, and swept.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use shared::domain::UserId;

use crate::db::entity::passkey;
use crate::db::{self, Database, Fault, Write};

/// How long an answered challenge is remembered beyond its end, in microseconds: an hour.
const ENDED: i64 = 3_600_000_000;

/// Somebody's passkeys, the oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn of_user<C: ConnectionTrait>(db: &C, user: UserId) -> Result<Vec<passkey::Model>, Fault> {
    let theirs = passkey::Entity::find().filter(passkey::Column::UserId.eq(user.as_uuid()));
    Ok(theirs.order_by_asc(passkey::Column::Id).all(db).await?)
}

/// Takes every passkey from somebody, and says how many there were. The caller holds the user's row; the record, and word
/// to them, are the caller's.
///
/// # Errors
/// When the statement fails.
pub async fn remove_all(write: &Write, user: UserId) -> Result<u64, Fault> {
    let theirs = passkey::Entity::delete_many().filter(passkey::Column::UserId.eq(user.as_uuid()));
    Ok(theirs.exec(write.transaction()).await?.rows_affected)
}

/// Forgets challenges that were answered and have ended long since, so that nobody would take an answer to them: nor an
/// instance whose clock is behind.
///
/// # Errors
/// When the statement fails.
pub async fn sweep(database: &Database, now: i64) -> Result<(), Fault> {
    db::remove_where(database, ("answered_challenges", "nonce"), "expires_at <= $1", &[now.saturating_sub(ENDED)]).await
}
