//! OAuth clients.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "oauth_clients")]
#[expect(missing_docs, reason = "columns are explained in the migration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub seq: i64,
    pub session_id: Uuid,
    pub name: String,
    pub kind: String,
    pub secret_digest: Option<Vec<u8>>,
    pub previous_digest: Option<Vec<u8>>,
    pub previous_until: Option<i64>,
    pub grants: String,
    pub scopes: String,
    pub redirect_uris: String,
    pub trusted: bool,
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub disabled_at: Option<i64>,
}

/// Joined by hand where needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
