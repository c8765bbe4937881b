//! The sessions that were opened for an OAuth client.

use std::collections::HashMap;

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect};
use shared::domain::{ClientId, SessionId, UserId};
use uuid::Uuid;

use crate::db::entity::session::{ActiveModel, Column, Entity};
use crate::db::{self, Fault, Write};

/// Those of a user at a client that have not been ended. The caller holds the user's row, so no more are opened.
///
/// # Errors
/// When the statement fails.
pub async fn of_client(write: &Write, user: UserId, client: ClientId) -> Result<Vec<SessionId>, Fault> {
    let open = Column::UserId.eq(user.as_uuid()).and(Column::EndedAt.is_null());
    let ids = Entity::find().select_only().column(Column::Id).filter(open);
    let ids = ids.filter(Column::ClientId.eq(client.as_uuid())).into_tuple::<Uuid>().all(write.transaction()).await?;
    Ok(ids.into_iter().map(SessionId::from).collect())
}

/// When each client last carried on a session of this user's that has not been ended, in microseconds.
///
/// # Errors
/// When the statement fails.
pub async fn last_used_by<C: ConnectionTrait>(db: &C, user: UserId) -> Result<HashMap<Uuid, i64>, Fault> {
    let open = Column::UserId.eq(user.as_uuid()).and(Column::EndedAt.is_null());
    let rows = Entity::find().select_only().column(Column::ClientId).column_as(Column::RotatedAt.max(), "last");
    let rows = rows.filter(open).filter(Column::ClientId.is_not_null()).group_by(Column::ClientId);
    Ok(rows.into_tuple::<(Uuid, i64)>().all(db).await?.into_iter().collect())
}

/// Ends all of a client's, whoever's they are, and says which, and when each was last refreshed. The caller holds the client's
/// row, so no more are opened.
///
/// # Errors
/// When the statement fails.
pub async fn end_of_client(write: &Write, client: ClientId, now: i64) -> Result<Vec<(SessionId, i64)>, Fault> {
    let row = ActiveModel { ended_at: Set(Some(now)), ..Default::default() };
    let open = Condition::all().add(Column::ClientId.eq(client.as_uuid())).add(Column::EndedAt.is_null());
    db::hold::<Entity>(write, Column::Id, open.clone()).await?;
    let ended = Entity::update_many().set(row).filter(open).exec_with_returning(write.transaction()).await?;
    Ok(ended.into_iter().map(|row| (row.id.into(), row.rotated_at)).collect())
}
