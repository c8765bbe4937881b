//! Security events, each chained to the one before it.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
#[expect(missing_docs, reason = "columns are explained in the migration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub id: Uuid,
    pub at: i64,
    pub kind: String,
    pub outcome: String,
    pub actor_kind: String,
    pub actor: Option<String>,
    pub subject_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub origin_salt: Option<Vec<u8>>,
    pub origin: Option<String>,
    pub origin_digest: Vec<u8>,
    pub detail_salt: Option<Vec<u8>>,
    pub detail: Option<String>,
    pub detail_digest: Vec<u8>,
    pub hash: Vec<u8>,
}

/// Joined by hand where needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
