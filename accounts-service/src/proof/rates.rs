//! Rates of exchange and their events: each rate has its own, and no event tells of a rate or an exchange that is not there.

use sea_orm::{DbErr, FromQueryResult};
use serde::Deserialize;
use uuid::Uuid;

use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::snapshot::Snapshot;

#[derive(FromQueryResult)]
struct Rate {
    id: Uuid,
    position: i64,
    base: String,
    quote: String,
    rate: String,
    base_account_id: Uuid,
    kind: Option<String>,
    subject: Option<Uuid>,
    data: Option<String>,
}

/// What the event of a rate tells of it.
#[derive(Deserialize)]
struct Told {
    id: Uuid,
    base: String,
    quote: String,
    rate: String,
}

const RATES: &str = "SELECT r.id, r.position, r.base, r.quote, r.rate, r.base_account_id, v.kind, v.subject, v.data \
                     FROM exchange_rates r LEFT JOIN outbox_events v ON v.position = r.position ORDER BY r.position";

#[derive(FromQueryResult)]
struct Event {
    id: Uuid,
    position: i64,
    kind: String,
    exchange: Option<Uuid>,
    rate: Option<Uuid>,
}

const EVENTS: &str = "SELECT v.id, v.position, v.kind, x.id AS exchange, r.id AS rate FROM outbox_events v \
                      LEFT JOIN exchanges x ON x.position = v.position \
                      LEFT JOIN exchange_rates r ON r.position = v.position \
                      WHERE v.kind IN ('exchange.made', 'exchange_rate.set') ORDER BY v.position";

/// Every rate, and every event of a rate or an exchange. Their positions lie between batches and are said, so that a rate
/// that was changed does not come before what it broke.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_all(snapshot: &Snapshot, findings: &mut Findings) -> Result<(), DbErr> {
    snapshot
        .each(RATES, Vec::new(), |row: Rate| {
            findings.check(Invariant::Events, &Place::default(), row.is_told(), || {
                format!("the rate {} at position {} is without its event, or not what that tells", row.id, row.position)
            });
        })
        .await?;
    snapshot
        .each(EVENTS, Vec::new(), |row: Event| {
            let there = match row.kind.as_str() {
                "exchange.made" => row.exchange == Some(row.id),
                _ => row.rate.is_some(),
            };
            findings.check(Invariant::Events, &Place::default(), there, || {
                format!("an event {} at position {} tells of what is not there", row.kind, row.position)
            });
        })
        .await
}

impl Rate {
    fn is_told(&self) -> bool {
        let told = serde_json::from_str::<Told>(self.data.as_deref().unwrap_or_default());
        let own = told.is_ok_and(|told| {
            (told.id, &told.base, &told.quote, &told.rate) == (self.id, &self.base, &self.quote, &self.rate)
        });
        own && self.kind.as_deref() == Some("exchange_rate.set") && self.subject == Some(self.base_account_id)
    }
}
