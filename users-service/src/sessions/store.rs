//! The rows of sessions.

use std::time::Duration;

use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
};
use shared::clock::{Clock, to_micros};
use shared::domain::{SessionId, UserId};
use uuid::Uuid;

use super::opening::{Carrier, Opening};
use super::rotation::State;
use super::rotator::Presented;
use crate::db::entity::session::{ActiveModel, Column, Entity, Model};
use crate::db::{self, Database, Fault, Write};
use crate::oauth;

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, the `sid` of its tokens.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// What its tokens may be used for.
    pub scope: String,
    /// What carries them.
    pub carrier: Carrier,
    /// The OAuth client that it is for; none: the user themselves.
    pub client: Option<Uuid>,
    /// Where its row of refresh tokens stands.
    pub state: State,
}

impl From<Model> for Session {
    fn from(row: Model) -> Self {
        let state = State {
            counter: row.counter,
            rotated_at: row.rotated_at,
            expires_at: row.expires_at,
            ended: row.ended_at.is_some(),
        };
        let carrier = Carrier::parse(&row.carrier);
        let (id, user, client) = (row.id.into(), row.user_id.into(), row.client_id);
        Self { id, user, scope: row.scope, carrier, client, state }
    }
}

/// Opens a session, good for `lifetime` from now on.
///
/// # Errors
/// When the statement fails.
pub async fn open(write: &Write, opening: Opening, lifetime: Duration, clock: &Clock) -> Result<Session, Fault> {
    let now = clock.now();
    let opened_at = to_micros(now);
    let client_ip = opening.client_ip.map(|ip| ip.to_string());
    let row = Model {
        id: opening.id.unwrap_or_else(|| SessionId::generate(clock)).as_uuid(),
        user_id: opening.user.as_uuid(),
        scope: opening.scope,
        counter: 1,
        rotated_at: opened_at,
        created_at: opened_at,
        expires_at: to_micros(now + lifetime),
        ended_at: None,
        last_ip: client_ip.clone(),
        client_ip,
        authenticated_at: opening.authenticated_at.unwrap_or(opened_at),
        amr: opening.amr.into_owned(),
        carrier: opening.carrier.as_str().to_owned(),
        user_agent: opening.user_agent,
        client_id: opening.client,
        parent_id: opening.parent.map(|parent| parent.as_uuid()),
    };
    let session = Session::from(row.clone());
    Entity::insert(row.into_active_model().reset_all()).exec_without_returning(write.transaction()).await?;
    Ok(session)
}

/// Reads a session, ended or not.
///
/// # Errors
/// When the statement fails.
pub async fn find<C: ConnectionTrait>(db: &C, id: SessionId) -> Result<Option<Session>, Fault> {
    Ok(Entity::find_by_id(id.as_uuid()).one(db).await?.map(Session::from))
}

/// The compare-and-swap of a refresh: `false` when another refresh was first, or the session has ended.
///
/// # Errors
/// When the statement fails.
pub async fn rotate(write: &Write, presented: &Presented, to: i64, now: i64) -> Result<bool, Fault> {
    let mut row = ActiveModel { counter: Set(to), rotated_at: Set(now), ..Default::default() };
    if let Some(origin) = presented.origin {
        row.last_ip = Set(Some(origin.to_string()));
    }
    let swapped = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(presented.token.session.as_uuid()))
        .filter(Column::Counter.eq(to - 1))
        .filter(Column::EndedAt.is_null())
        .exec(write.transaction())
        .await?;
    Ok(swapped.rows_affected == 1)
}

/// Ends these sessions and all that come from them, and says which of them had not ended before.
///
/// # Errors
/// When the statement fails.
pub async fn end(write: &Write, ids: &[SessionId], now: i64) -> Result<Vec<Session>, Fault> {
    let ids: Vec<_> = ids.iter().map(|id| id.as_uuid()).collect();
    let row = ActiveModel { ended_at: Set(Some(now)), ..Default::default() };
    let these = Column::Id.is_in(ids.clone()).or(Column::ParentId.is_in(ids));
    let these = Condition::all().add(these).add(Column::EndedAt.is_null());
    db::hold::<Entity>(write, Column::Id, these.clone()).await?;
    let ended = Entity::update_many().set(row).filter(these).exec_with_returning(write.transaction()).await?;
    Ok(ended.into_iter().map(Session::from).collect())
}

/// Ends every session of a user, and what would lead to another.
///
/// # Errors
/// When the statement fails.
pub async fn end_all(write: &Write, user: UserId, now: i64) -> Result<(), Fault> {
    let row = ActiveModel { ended_at: Set(Some(now)), ..Default::default() };
    let of_user = Condition::all().add(Column::UserId.eq(user.as_uuid())).add(Column::EndedAt.is_null());
    db::hold::<Entity>(write, Column::Id, of_user.clone()).await?;
    Entity::update_many().set(row).filter(of_user).exec(write.transaction()).await?;
    oauth::end_of_user(write, user, now).await
}

/// Ends every session of a user but one, and says which: also those that have just expired, for until they are swept
/// away a verifier whose clock is behind may still take their tokens.
///
/// # Errors
/// When a statement fails.
pub async fn end_others(
    write: &Write,
    user: UserId,
    keep: Option<SessionId>,
    now: i64,
) -> Result<Vec<SessionId>, Fault> {
    let mut others = Condition::all().add(Column::UserId.eq(user.as_uuid())).add(Column::EndedAt.is_null());
    if let Some(keep) = keep {
        others = others.add(Column::Id.ne(keep.as_uuid()));
    }
    let ids = db::hold::<Entity>(write, Column::Id, others.clone()).await?;
    let row = ActiveModel { ended_at: Set(Some(now)), ..Default::default() };
    Entity::update_many().set(row).filter(others).exec(write.transaction()).await?;
    oauth::end_of_user(write, user, now).await?;
    Ok(ids.into_iter().map(SessionId::from).collect())
}

/// Removes sessions that expired before `before`.
///
/// # Errors
/// When a statement fails.
pub async fn sweep(database: &Database, before: i64) -> Result<(), Fault> {
    db::remove::<Entity>(database, Column::Id, Condition::all().add(Column::ExpiresAt.lt(before))).await
}
