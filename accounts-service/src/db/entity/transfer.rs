//! A transfer, written once. Instants are microseconds since the Unix epoch.
#![expect(missing_docs, reason = "the columns are documented in the migration")]

use sea_orm::entity::prelude::*;

/// The columns of [`Model`] as SQL, each of them `of` something (`"t."`, or nothing). Named, and not `*`: a statement that
/// was prepared before a newer release added a column would be refused (0A000) for as long as its connection lives.
macro_rules! transfer_columns {
    ($of:literal) => {
        concat!(
            $of,
            "position, ",
            $of,
            "id, ",
            $of,
            "debit_account_id, ",
            $of,
            "credit_account_id, ",
            $of,
            "amount, ",
            $of,
            "currency, ",
            $of,
            "status, ",
            $of,
            "description, ",
            $of,
            "external_ref, ",
            $of,
            "metadata, ",
            $of,
            "pending_of, ",
            $of,
            "reversal_of, ",
            $of,
            "expires_at, ",
            $of,
            "posted_at, ",
            $of,
            "created_at, ",
            $of,
            "created_by",
        )
    };
}
pub(crate) use transfer_columns;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transfers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub id: Uuid,
    pub debit_account_id: Uuid,
    pub credit_account_id: Uuid,
    pub amount: i64,
    pub currency: String,
    pub status: String,
    pub description: Option<String>,
    pub external_ref: Option<String>,
    pub metadata: Option<String>,
    pub pending_of: Option<Uuid>,
    pub reversal_of: Option<Uuid>,
    pub expires_at: Option<i64>,
    pub posted_at: Option<i64>,
    pub created_at: i64,
    pub created_by: Uuid,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
