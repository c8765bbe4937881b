//! Mail that is owed, was sent, or was given up.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mails")]
#[expect(missing_docs, reason = "columns are explained in the migration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub template: String,
    pub recipient: Option<String>,
    pub user_id: Option<Uuid>,
    pub link_id: Option<Uuid>,
    pub about: Option<String>,
    pub status: String,
    pub attempts: i32,
    pub due_at: i64,
    pub last_error: Option<String>,
    pub created_at: i64,
    pub ended_at: Option<i64>,
}

/// Joined by hand where needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
