//! The rows of sessions.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use shared::domain::{SessionId, UserId};

use super::rotation::State;
use crate::db::entity::session::{ActiveModel, Column, Entity, Model};
use crate::db::{Fault, Write};

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, the `sid` of its tokens.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// What its tokens may be used for.
    pub scope: String,
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
        Self { id: row.id.into(), user: row.user_id.into(), scope: row.scope, state }
    }
}

/// Writes a new session.
///
/// # Errors
/// When the statement fails.
pub async fn open(write: &Write, session: &Session, client_ip: Option<String>, now: i64) -> Result<(), Fault> {
    let row = ActiveModel {
        id: Set(session.id.as_uuid()),
        user_id: Set(session.user.as_uuid()),
        scope: Set(session.scope.clone()),
        counter: Set(session.state.counter),
        rotated_at: Set(session.state.rotated_at),
        created_at: Set(now),
        expires_at: Set(session.state.expires_at),
        ended_at: Set(None),
        client_ip: Set(client_ip),
    };
    Entity::insert(row).exec_without_returning(write.transaction()).await?;
    Ok(())
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
pub async fn rotate<C: ConnectionTrait>(db: &C, id: SessionId, to: i64, now: i64) -> Result<bool, Fault> {
    let row = ActiveModel { counter: Set(to), rotated_at: Set(now), ..Default::default() };
    let swapped = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::Counter.eq(to - 1))
        .filter(Column::EndedAt.is_null())
        .exec(db)
        .await?;
    Ok(swapped.rows_affected == 1)
}

/// Ends one session, and says whose it was: nobody's when it had ended before.
///
/// # Errors
/// When the statement fails.
pub async fn end(write: &Write, id: SessionId, now: i64) -> Result<Option<UserId>, Fault> {
    let row = ActiveModel { ended_at: Set(Some(now)), ..Default::default() };
    let ended = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::EndedAt.is_null())
        .exec_with_returning(write.transaction())
        .await?;
    Ok(ended.into_iter().next().map(|row| row.user_id.into()))
}

/// Ends every session of a user.
///
/// # Errors
/// When the statement fails.
pub async fn end_all(write: &Write, user: UserId, now: i64) -> Result<(), Fault> {
    let row = ActiveModel { ended_at: Set(Some(now)), ..Default::default() };
    let of_user = Column::UserId.eq(user.as_uuid()).and(Column::EndedAt.is_null());
    Entity::update_many().set(row).filter(of_user).exec(write.transaction()).await?;
    Ok(())
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
    let mut others = Column::UserId.eq(user.as_uuid()).and(Column::EndedAt.is_null());
    if let Some(keep) = keep {
        others = others.and(Column::Id.ne(keep.as_uuid()));
    }
    let ids = Entity::find().select_only().column(Column::Id).filter(others.clone());
    let ids: Vec<uuid::Uuid> = ids.into_tuple().all(write.transaction()).await?;
    let row = ActiveModel { ended_at: Set(Some(now)), ..Default::default() };
    Entity::update_many().set(row).filter(others).exec(write.transaction()).await?;
    Ok(ids.into_iter().map(SessionId::from).collect())
}

/// Removes sessions that expired before `before`.
///
/// # Errors
/// When the statement fails.
pub async fn sweep<C: ConnectionTrait>(db: &C, before: i64) -> Result<(), Fault> {
    Entity::delete_many().filter(Column::ExpiresAt.lt(before)).exec(db).await?;
    Ok(())
}
