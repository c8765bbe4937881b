//! What a commit batch reads and writes besides accounts, transfers and entries, as rows of both back-ends: rare, so it
//! goes in and comes out as one JSON object.

pub(crate) mod read;
pub(crate) mod write;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

use super::core::{Hold, HoldState, Slice};

/// 32 hexadecimal digits: what both back-ends read as an id.
fn hex<S: Serializer>(id: &Uuid, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&id.simple())
}

/// A hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HoldRow {
    #[serde(serialize_with = "hex")]
    id: Uuid,
    #[serde(serialize_with = "hex")]
    debit: Uuid,
    #[serde(serialize_with = "hex")]
    credit: Uuid,
    amount: i64,
    posted: i64,
    released: i64,
    expires_at: Option<i64>,
    counted_at: i64,
    state: HoldState,
    settled_at: Option<i64>,
}

impl From<&Hold> for HoldRow {
    fn from(hold: &Hold) -> Self {
        Self {
            id: hold.id.as_uuid(),
            debit: hold.debit.as_uuid(),
            credit: hold.credit.as_uuid(),
            amount: hold.amount,
            posted: hold.posted,
            released: hold.released,
            expires_at: hold.expires_at,
            counted_at: hold.counted_at,
            state: hold.state,
            settled_at: hold.settled_at,
        }
    }
}

impl From<HoldRow> for Hold {
    fn from(row: HoldRow) -> Self {
        Self {
            id: row.id.into(),
            debit: row.debit.into(),
            credit: row.credit.into(),
            amount: row.amount,
            posted: row.posted,
            released: row.released,
            expires_at: row.expires_at,
            counted_at: row.counted_at,
            state: row.state,
            settled_at: row.settled_at,
        }
    }
}

/// A slice of a window: number, amount, count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct SliceRow(i64, i64, i64);

impl From<SliceRow> for Slice {
    fn from(SliceRow(number, amount, count): SliceRow) -> Self {
        Self { number, amount, count }
    }
}
