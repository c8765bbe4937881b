//! What ended before its tokens did.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "revocations")]
#[expect(missing_docs, reason = "columns are explained in the migration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub session_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub ver: Option<i64>,
    pub roles: Option<String>,
    pub permissions: Option<String>,
    pub api_key_id: Option<Uuid>,
    pub kid: Option<String>,
    pub expires_at: i64,
    pub published_at: Option<i64>,
}

/// Joined by hand where needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
