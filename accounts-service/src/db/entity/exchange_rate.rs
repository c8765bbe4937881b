//! A rate, written once. Instants are microseconds since the Unix epoch.
#![expect(missing_docs, reason = "the columns are documented in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "exchange_rates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub position: i64,
    pub base: String,
    pub quote: String,
    pub rate: String,
    pub base_account_id: Uuid,
    pub quote_account_id: Uuid,
    pub rounding_account_id: Uuid,
    pub valid_until: Option<i64>,
    pub created_by: Uuid,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
