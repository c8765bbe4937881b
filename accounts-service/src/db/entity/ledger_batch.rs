//! A commit batch in the chain. Instants are microseconds since the Unix epoch.
#![expect(missing_docs, reason = "the columns are documented in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_batches")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub batch_no: i64,
    pub first_position: i64,
    pub last_position: i64,
    pub posted_at: i64,
    pub content: Vec<u8>,
    pub hash: Vec<u8>,
    pub format: i16,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
