//! What gateways have been told.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use shared::domain::SessionId;

use super::service::Running;
use crate::db::entity::revocation::{Column, Entity};

impl Running {
    /// Waits until they know that a session is over.
    pub async fn until_revoked(&self, sid: SessionId) {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        for _ in 0..500 {
            ticks.tick().await;
            if self.is_revoked(sid).await {
                return;
            }
        }
        panic!("gateways were not told within ten seconds");
    }

    /// Whether they know that a session is over.
    pub async fn is_revoked(&self, sid: SessionId) -> bool {
        let database = super::database(&self.ground).await;
        let told = Entity::find().filter(Column::SessionId.eq(sid.as_uuid())).filter(Column::PublishedAt.is_not_null());
        let told = told.count(database.read()).await.unwrap();
        database.close().await;
        told > 0
    }
}
