//! Requests of OAuth clients for a user's leave, and the codes that they lead to.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "authorizations")]
#[expect(missing_docs, reason = "columns are explained in the migration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub client_id: Uuid,
    pub redirect_uri: String,
    pub scope: String,
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub code_challenge: String,
    pub ask_consent: bool,
    pub browser: Vec<u8>,
    pub created_at: i64,
    pub expires_at: i64,
    pub user_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub parent_id: Option<Uuid>,
    pub authenticated_at: Option<i64>,
    pub amr: Option<String>,
    pub decided_at: Option<i64>,
    pub code_digest: Option<Vec<u8>>,
    pub code_expires_at: Option<i64>,
    pub used_at: Option<i64>,
    pub opened_at: Option<i64>,
}

/// Joined by hand where needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
