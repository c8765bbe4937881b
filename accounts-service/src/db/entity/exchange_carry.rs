//! What rounding down has taken and is not booked yet.
#![expect(missing_docs, reason = "the columns are documented in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "exchange_carries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub rounding_account_id: Uuid,
    pub grains: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
