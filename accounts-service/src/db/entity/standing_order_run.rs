//! An attempt at a date of a standing order. Instants are microseconds since the Unix epoch.
#![expect(missing_docs, reason = "the columns are documented in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "standing_order_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub order_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub due_on: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub attempt: i32,
    pub state: String,
    pub code: Option<String>,
    pub transfer_id: Option<Uuid>,
    pub started_at: i64,
    pub ended_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
