//! The rows of links.

use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use shared::clock::Clock;
use shared::domain::{LinkId, UserId};

use super::token::Purpose;
use crate::db::entity::link::{ActiveModel, Column, Entity, Model};
use crate::db::{self, Database, Fault, Write};
use crate::users::Email;

/// A link that can still be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// For whom.
    pub user: UserId,
    /// The address that it is mailed to, and proves.
    pub email: String,
    /// The same in its normal form.
    pub email_norm: String,
}

impl From<Model> for Link {
    fn from(row: Model) -> Self {
        Self { id: row.id.into(), user: row.user_id.into(), email: row.email, email_norm: row.email_norm }
    }
}

/// Those that can be used at `now`.
fn open_at(now: i64) -> Condition {
    Condition::all().add(Column::UsedAt.is_null()).add(Column::ExpiresAt.gt(now))
}

/// Makes a link. It proves the address that it is mailed to.
///
/// # Errors
/// When the statement fails.
pub async fn make(
    write: &Write,
    purpose: Purpose,
    user: UserId,
    email: &Email,
    lifetime: Duration,
    clock: &Clock,
) -> Result<LinkId, Fault> {
    let id = LinkId::generate(clock);
    let row = ActiveModel {
        id: Set(id.as_uuid()),
        purpose: Set(purpose.as_str().to_owned()),
        user_id: Set(user.as_uuid()),
        email: Set(email.as_str().to_owned()),
        email_norm: Set(email.normal().to_owned()),
        created_at: Set(clock.now_micros()),
        expires_at: Set(until(lifetime, clock)),
        used_at: Set(None),
    };
    Entity::insert(row).exec_without_returning(write.transaction()).await?;
    Ok(id)
}

/// A link that can still be used.
///
/// # Errors
/// When the statement fails.
pub async fn find<C: ConnectionTrait>(db: &C, id: LinkId, purpose: Purpose, now: i64) -> Result<Option<Link>, Fault> {
    let row = Entity::find_by_id(id.as_uuid()).filter(Column::Purpose.eq(purpose.as_str())).filter(open_at(now));
    Ok(row.one(db).await?.map(Link::from))
}

/// The user's latest link for this purpose that can still be used. The caller holds the user's row.
///
/// # Errors
/// When the statement fails.
pub async fn latest(write: &Write, user: UserId, purpose: Purpose, now: i64) -> Result<Option<Link>, Fault> {
    let of_user = Entity::find().filter(Column::UserId.eq(user.as_uuid())).filter(open_at(now));
    let row = of_user.filter(Column::Purpose.eq(purpose.as_str())).order_by_desc(Column::Id);
    Ok(row.one(write.transaction()).await?.map(Link::from))
}

/// Lets a link's time begin now, for the mail with it goes out only now; nothing when it has been used or ended.
///
/// # Errors
/// When the statement fails.
pub async fn renew(write: &Write, id: LinkId, lifetime: Duration, clock: &Clock) -> Result<Option<Link>, Fault> {
    let row = ActiveModel { expires_at: Set(until(lifetime, clock)), ..Default::default() };
    let of_id = Entity::update_many().set(row).filter(Column::Id.eq(id.as_uuid())).filter(Column::UsedAt.is_null());
    of_id.exec(write.transaction()).await?;
    let row = Entity::find_by_id(id.as_uuid()).filter(Column::UsedAt.is_null());
    Ok(row.one(write.transaction()).await?.map(Link::from))
}

/// Uses a link up: `false` when somebody else has, or its time is over. The caller holds the user's row.
///
/// # Errors
/// When the statement fails.
pub async fn consume(write: &Write, id: LinkId, now: i64) -> Result<bool, Fault> {
    let row = ActiveModel { used_at: Set(Some(now)), ..Default::default() };
    let of_id = Entity::update_many().set(row).filter(Column::Id.eq(id.as_uuid())).filter(open_at(now));
    Ok(of_id.exec(write.transaction()).await?.rows_affected == 1)
}

/// Ends a user's links for these purposes. The caller holds the user's row.
///
/// # Errors
/// When the statement fails.
pub async fn end_open(write: &Write, user: UserId, purposes: &[Purpose], now: i64) -> Result<(), Fault> {
    let row = ActiveModel { used_at: Set(Some(now)), ..Default::default() };
    let words = purposes.iter().map(|purpose| purpose.as_str());
    Entity::update_many()
        .set(row)
        .filter(Column::UserId.eq(user.as_uuid()))
        .filter(Column::UsedAt.is_null())
        .filter(Column::Purpose.is_in(words))
        .exec(write.transaction())
        .await?;
    Ok(())
}

/// Removes links whose time was over before `before`.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(database: &Database, before: i64) -> Result<(), Fault> {
    db::remove::<Entity>(database, Column::Id, Condition::all().add(Column::ExpiresAt.lt(before))).await
}

fn until(lifetime: Duration, clock: &Clock) -> i64 {
    shared::clock::to_micros(clock.now() + lifetime)
}
