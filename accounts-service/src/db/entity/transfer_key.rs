//! The key of a request that moved money, or was declined. Instants are microseconds since the Unix epoch.
#![expect(missing_docs, reason = "the columns are documented in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transfer_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: Uuid,
    pub fingerprint: Uuid,
    pub status: i16,
    pub transfer_id: Option<Uuid>,
    pub body: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
