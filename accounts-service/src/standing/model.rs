//! Standing orders and their runs as the API shows them.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::value::RawValue;
use shared::clock;
use shared::domain::{AccountId, StandingOrderId, TransferId, UserId};
use shared::http::entity_tag;
use utoipa::ToSchema;

use super::body::Retries;
use super::calendar::Schedule;
use super::rule::Rule;
use crate::db::entity::{standing_order, standing_order_run};

/// A standing order, as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StandingOrder)]
pub struct StandingOrderBody {
    /// Its id.
    pub id: StandingOrderId,
    /// Whose it is.
    pub owner_id: UserId,
    /// The account that pays.
    pub debit_account_id: AccountId,
    /// The account that receives.
    pub credit_account_id: AccountId,
    /// Minor units, each time.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 85_000)]
    pub amount: i64,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// Of each transfer.
    pub description: Option<String>,
    /// Of each transfer, as it was sent.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Box<RawValue>>,
    /// When it is due, with what `starts_on` says of it.
    pub rule: Rule,
    /// Whose clocks the rule means.
    #[schema(example = "Europe/Madrid")]
    pub time_zone: String,
    /// The first day on which it may be due.
    #[schema(format = Date)]
    pub starts_on: String,
    /// The last; `null`: none.
    #[schema(format = Date)]
    pub ends_on: Option<String>,
    /// After how many dates it ends; `null`: never.
    pub most_runs: Option<i32>,
    /// What happens when the account has too little.
    pub retries: Retries,
    /// `active`, `paused`, `ended` or `cancelled`.
    #[schema(example = "active")]
    pub status: String,
    /// Why it has ended: `finished`, or the code that its last date was declined with.
    pub ended_by: Option<String>,
    /// The date that comes next, by the rule; `null` unless it is active.
    #[schema(format = Date)]
    pub next_due_on: Option<String>,
    /// When that is, weekends and retries considered.
    #[schema(format = DateTime)]
    pub next_at: Option<String>,
    /// How many dates have passed, whatever came of them.
    pub runs: i32,
    /// Counts every change, runs included; the `ETag` is made of it.
    pub version: i64,
    /// When it was made.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it last changed.
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// A stored order that only somebody else can have written, or whose time zone is no more.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0} of a standing order holds what was never written")]
pub struct Corrupt(pub(super) &'static str);

/// The schedule of a stored order.
pub fn schedule(row: &standing_order::Model) -> Result<Schedule, Corrupt> {
    let rule: Rule = serde_json::from_str(&row.rule).map_err(|_| Corrupt("rule"))?;
    let zone = TimeZone::get(&row.time_zone).map_err(|_| Corrupt("time_zone"))?;
    let starts_on = day(&row.starts_on).ok_or(Corrupt("starts_on"))?;
    let ends_on = row.ends_on.as_deref().map(|end| day(end).ok_or(Corrupt("ends_on"))).transpose()?;
    Schedule::new(&rule, zone, (starts_on, ends_on)).map_err(|_| Corrupt("rule"))
}

/// A stored day.
pub fn day(text: &str) -> Option<Date> {
    text.parse().ok()
}

fn shown(micros: i64) -> String {
    clock::rfc3339(clock::from_micros(micros))
}

impl TryFrom<standing_order::Model> for StandingOrderBody {
    type Error = Corrupt;

    fn try_from(row: standing_order::Model) -> Result<Self, Corrupt> {
        Ok(Self {
            id: row.id.into(),
            owner_id: row.owner_id.into(),
            debit_account_id: row.debit_account_id.into(),
            credit_account_id: row.credit_account_id.into(),
            amount: row.amount,
            currency: row.currency,
            description: row.description,
            metadata: row.metadata.map(RawValue::from_string).transpose().map_err(|_| Corrupt("metadata"))?,
            rule: serde_json::from_str(&row.rule).map_err(|_| Corrupt("rule"))?,
            time_zone: row.time_zone,
            starts_on: row.starts_on,
            ends_on: row.ends_on,
            most_runs: row.most_runs,
            retries: Retries { times: row.retry_times, after: row.retry_after },
            status: row.status,
            ended_by: row.ended_by,
            next_due_on: row.next_due_on,
            next_at: row.next_at.map(shown),
            runs: row.runs,
            version: row.version,
            created_at: shown(row.created_at),
            updated_at: shown(row.updated_at),
        })
    }
}

impl StandingOrderBody {
    /// Its entity tag.
    #[must_use]
    pub fn etag(&self) -> String {
        entity_tag(self.version)
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What became of a date, as the API shows it: an attempt a row.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = StandingOrderRun)]
pub struct RunBody {
    /// The date, by the rule.
    #[schema(format = Date)]
    pub due_on: String,
    /// 1, and one more for each retry.
    pub attempt: i32,
    /// `running`, `posted`, `declined`, `skipped` (after more than 31 dates that nobody was there for) or `withdrawn` (the order
    /// was changed meanwhile).
    #[schema(example = "posted")]
    pub state: String,
    /// The code of the problem that it was declined with.
    pub code: Option<String>,
    /// The transfer that it posted.
    pub transfer_id: Option<TransferId>,
    /// When it was begun.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// When its outcome was known.
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
}

impl From<standing_order_run::Model> for RunBody {
    fn from(row: standing_order_run::Model) -> Self {
        Self {
            due_on: row.due_on,
            attempt: row.attempt,
            state: row.state,
            code: row.code,
            transfer_id: row.transfer_id.map(Into::into),
            started_at: shown(row.started_at),
            ended_at: row.ended_at.map(shown),
        }
    }
}
