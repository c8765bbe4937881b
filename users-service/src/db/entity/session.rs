//! Sign-in sessions: one device of one user.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
#[expect(missing_docs, reason = "columns are explained in the migration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub scope: String,
    pub counter: i64,
    pub rotated_at: i64,
    pub created_at: i64,
    pub expires_at: i64,
    pub ended_at: Option<i64>,
    pub client_ip: Option<String>,
    pub authenticated_at: i64,
    pub amr: String,
    pub carrier: String,
    pub user_agent: Option<String>,
    pub last_ip: Option<String>,
    pub client_id: Option<Uuid>,
    pub parent_id: Option<Uuid>,
}

/// Joined by hand where needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
