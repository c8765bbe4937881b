//! Avatars: what was sent last, and what is shown.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "avatars")]
#[expect(missing_docs, reason = "columns are explained in the migration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    pub version: Uuid,
    pub status: String,
    pub content_type: String,
    pub original: Option<Vec<u8>>,
    pub shown: Option<Uuid>,
    pub shown_type: Option<String>,
    pub thumb: Option<Vec<u8>>,
    pub medium: Option<Vec<u8>>,
    pub large: Option<Vec<u8>>,
    pub attempts: i32,
    pub due_at: i64,
    pub updated_at: i64,
}

/// Joined by hand where needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
