//! Registered users.

use sea_orm::entity::prelude::*;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
#[expect(missing_docs, reason = "columns are explained in the migration")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub seq: i64,
    pub email: String,
    pub email_norm: String,
    pub username: String,
    pub username_norm: String,
    pub name: Option<String>,
    pub phone: Option<String>,
    pub search: String,
    pub password_hash: String,
    pub foreign_cost: Option<i64>,
    pub roles: String,
    pub custom_roles: String,
    pub permissions: String,
    pub email_verified: bool,
    pub ver: i64,
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub disabled_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub purged_at: Option<i64>,
    pub username_skeleton: Option<String>,
    pub username_skeleton_upper: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub birth_date: Option<String>,
    pub street: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub zip_code: Option<String>,
}

/// Joined by hand where needed.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
