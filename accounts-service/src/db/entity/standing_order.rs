//! A standing order. Instants are microseconds since the Unix epoch, days are ISO 8601 dates.
#![expect(missing_docs, reason = "the columns are documented in the migration")]

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "standing_orders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub owner_id: Uuid,
    pub debit_account_id: Uuid,
    pub credit_account_id: Uuid,
    pub amount: i64,
    pub currency: String,
    pub description: Option<String>,
    pub metadata: Option<String>,
    pub rule: String,
    pub time_zone: String,
    pub starts_on: String,
    pub ends_on: Option<String>,
    pub most_runs: Option<i32>,
    pub retry_times: i16,
    pub retry_after: i32,
    pub status: String,
    pub ended_by: Option<String>,
    pub officers_pause: bool,
    pub next_due_on: Option<String>,
    pub next_at: Option<i64>,
    pub next_attempt: i32,
    pub runs: i32,
    pub leased_until: Option<i64>,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
