//! The sessions that were opened for an OAuth client.

use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use shared::domain::{ClientId, SessionId};

use crate::db::entity::session::{ActiveModel, Column, Entity};
use crate::db::{Fault, Write};

/// Ends all of a client's, whoever's they are, and says which, and when each was last refreshed.
///
/// # Errors
/// When the statement fails.
pub async fn end_of_client(write: &Write, client: ClientId, now: i64) -> Result<Vec<(SessionId, i64)>, Fault> {
    let row = ActiveModel { ended_at: Set(Some(now)), ..Default::default() };
    let of_client = Entity::update_many().set(row).filter(Column::ClientId.eq(client.as_uuid()));
    let ended = of_client.filter(Column::EndedAt.is_null()).exec_with_returning(write.transaction()).await?;
    Ok(ended.into_iter().map(|row| (row.id.into(), row.rotated_at)).collect())
}
