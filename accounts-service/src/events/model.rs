//! An event, as the API shows it: CloudEvents 1.0 in its JSON format.

use sea_orm::FromQueryResult;
use sea_orm::prelude::Uuid;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::clock;
use shared::problem::Problem;
use utoipa::ToSchema;

use crate::db::entity::transfer;
use crate::transfers::model::Transfer;
use crate::transfers::render;

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventBody {
    /// Of CloudEvents.
    #[schema(example = "1.0")]
    pub specversion: &'static str,
    /// The same whenever this event is read: what was read twice is known by it.
    pub id: Uuid,
    /// Where it happened.
    #[schema(example = "urn:tollgate:accounts")]
    pub source: &'static str,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it happened to: a transfer's id, else an account's. Of an exchange and a standing order that is the account that pays, of a
    /// rate its base account.
    pub subject: Uuid,
    /// When.
    #[schema(format = DateTime)]
    pub time: String,
    /// Of `data`.
    #[schema(example = "application/json")]
    pub datacontenttype: &'static str,
    /// The transfer as it was recorded; the account, its limits, the rate or the order as it was then. Of a run of an order
    /// `standing_order_id` and `run`; of an exchange its ids, `rate` and `remainder`; of an expiry `transfer_id`, both
    /// accounts, `released` and `expires_at`.
    #[schema(value_type = Object)]
    pub data: Box<RawValue>,
}

/// What a query has to find for it.
#[derive(Debug, FromQueryResult)]
pub struct EventRow {
    /// Where it stands in the order of commit.
    pub place: i64,
    event_id: Uuid,
    kind: String,
    subject: Uuid,
    event_data: Option<String>,
    recorded_at: i64,
    /// What an event without data tells of.
    #[sea_orm(nested)]
    transfer: Option<transfer::Model>,
}

/// An event that only somebody else can have written.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the event at position {0} holds what was never written")]
struct CorruptEvent(i64);

impl EventBody {
    /// From its row. The events of transfers keep no data of their own, because a transfer's row never changes.
    pub fn of(row: EventRow) -> Result<Self, Problem> {
        let corrupt = CorruptEvent(row.place);
        let data = match (row.event_data, row.transfer) {
            (Some(data), _) => data,
            (None, Some(transfer)) => {
                let transfer = Transfer::try_from(transfer).map_err(Problem::internal)?;
                String::from_utf8(render::transfer(&transfer)).map_err(|_| Problem::internal(corrupt))?
            }
            (None, None) => return Err(Problem::internal(corrupt)),
        };
        Ok(Self {
            specversion: "1.0",
            id: row.event_id,
            source: "urn:tollgate:accounts",
            kind: row.kind,
            subject: row.subject,
            time: clock::rfc3339(clock::from_micros(row.recorded_at)),
            datacontenttype: "application/json",
            data: RawValue::from_string(data).map_err(|_| Problem::internal(corrupt))?,
        })
    }
}
