//! An entry, as the API shows it.

use serde::Serialize;
use shared::clock;
use shared::domain::TransferId;
use utoipa::ToSchema;

use crate::db::entity::entry;

/// One side of a posted transfer on this account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
pub struct EntryBody {
    /// Counts from 1 without gaps.
    #[schema(example = 1)]
    pub seq: i64,
    /// The transfer it is a side of.
    pub transfer_id: TransferId,
    /// Minor units: negative when the account paid.
    #[schema(example = -1050)]
    pub amount: i64,
    /// The account's balance with this entry.
    pub balance_after: i64,
    /// When it posted.
    #[schema(format = DateTime)]
    pub posted_at: String,
}

impl From<entry::Model> for EntryBody {
    fn from(row: entry::Model) -> Self {
        Self {
            seq: row.seq,
            transfer_id: row.transfer_id.into(),
            amount: row.amount,
            balance_after: row.balance_after,
            posted_at: clock::rfc3339(clock::from_micros(row.posted_at)),
        }
    }
}
