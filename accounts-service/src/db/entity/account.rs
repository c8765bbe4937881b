//! An account, as the database holds it. Instants are microseconds since the Unix epoch.
#![expect(missing_docs, reason = "the columns are documented in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub name: String,
    pub kind: String,
    pub currency: String,
    pub status: String,
    pub balance: i64,
    pub held: i64,
    pub floor: Option<i64>,
    pub ceiling: Option<i64>,
    pub seq: i64,
    pub version: i64,
    pub next_expiry: Option<i64>,
    pub limited: bool,
    pub label_text: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
