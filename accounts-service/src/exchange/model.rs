//! Exchanges and rates as the API shows them.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use shared::clock;
use shared::domain::{AccountId, ExchangeId, ExchangeRateId};
use shared::http::entity_tag;
use utoipa::ToSchema;

use super::rate::Remainder;
use crate::db::entity::{exchange, exchange_rate, transfer};
use crate::posting::Exchanged;
use crate::transfers::model::Transfer;
use crate::transfers::render::{self, TransferBody};

/// An exchange, as the API shows it. What is received is what was paid at the rate, rounded down to whole minor units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Exchange)]
pub struct ExchangeBody {
    /// Its id; `null` in a dry run.
    pub id: Option<ExchangeId>,
    /// The rate that it was made at.
    pub rate_id: ExchangeRateId,
    /// The same as a decimal: major units received for one paid.
    #[schema(example = "0.9234")]
    pub rate: String,
    /// What was paid, as it was recorded: what has been paid back since is shown by the transfer itself.
    #[schema(value_type = TransferBody)]
    pub paid: Raw,
    /// What was received, as it was recorded.
    #[schema(value_type = TransferBody)]
    pub received: Raw,
    /// What rounding took: a part of a minor unit of what is received, as a decimal. It is never lost: it is booked in whole
    /// units as soon as these have gathered.
    #[schema(example = "0.5")]
    pub remainder: String,
    /// When it was made; `null` in a dry run.
    #[schema(format = DateTime)]
    pub created_at: Option<String>,
}

/// A transfer's JSON, as it is everywhere.
#[derive(Debug)]
pub struct Raw(Vec<u8>);

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(&self.0).map_err(serde::ser::Error::custom)?;
        serde_json::from_str::<&RawValue>(text).map_err(serde::ser::Error::custom)?.serialize(to)
    }
}

/// A stored exchange that only somebody else can have written.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the exchange at position {0} holds what was never written")]
pub struct CorruptExchange(i64);

/// An exchange's row with those that it names.
pub type Rows = (exchange::Model, exchange_rate::Model, [transfer::Model; 2]);

impl TryFrom<Rows> for ExchangeBody {
    type Error = CorruptExchange;

    fn try_from((row, rate, [paid, received]): Rows) -> Result<Self, CorruptExchange> {
        let corrupt = CorruptExchange(row.position);
        let transfer = |row: transfer::Model| Transfer::try_from(row).map_err(|_| corrupt);
        Ok(Self {
            id: Some(row.id.into()),
            rate_id: row.rate_id.into(),
            rate: rate.rate,
            paid: Raw(render::transfer(&transfer(paid)?)),
            received: Raw(render::transfer(&transfer(received)?)),
            remainder: Remainder::of(row.remainder.into()).ok_or(corrupt)?.to_string(),
            created_at: Some(clock::rfc3339(clock::from_micros(row.created_at))),
        })
    }
}

impl ExchangeBody {
    /// What would be made, for a dry run.
    #[must_use]
    pub fn trial(exchanged: &Exchanged) -> Self {
        Self {
            id: None,
            rate_id: exchanged.newest.id,
            rate: exchanged.newest.rate.to_string(),
            paid: Raw(render::dry_run(&exchanged.paid.0)),
            received: Raw(render::dry_run(&exchanged.received.0)),
            remainder: exchanged.remainder.to_string(),
            created_at: None,
        }
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A rate, as the API shows it. It is written once: the newest of its pair is the one in force, until it lapses.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ExchangeRate)]
pub struct ExchangeRateBody {
    /// Its id.
    pub id: ExchangeRateId,
    /// What is paid in.
    #[schema(example = "USD")]
    pub base: String,
    /// What is received in.
    #[schema(example = "EUR")]
    pub quote: String,
    /// Major units of `quote` for one of `base`.
    #[schema(example = "0.9234")]
    pub rate: String,
    /// Where `base` is paid to.
    pub base_account_id: AccountId,
    /// Where `quote` comes from.
    pub quote_account_id: AccountId,
    /// Where what rounding takes is booked.
    pub rounding_account_id: AccountId,
    /// When it lapses; `null`: when the next is set.
    #[schema(format = DateTime)]
    pub valid_until: Option<String>,
    /// When it was set.
    #[schema(format = DateTime)]
    pub created_at: String,
}

impl From<exchange_rate::Model> for ExchangeRateBody {
    fn from(row: exchange_rate::Model) -> Self {
        Self {
            id: row.id.into(),
            base: row.base,
            quote: row.quote,
            rate: row.rate,
            base_account_id: row.base_account_id.into(),
            quote_account_id: row.quote_account_id.into(),
            rounding_account_id: row.rounding_account_id.into(),
            valid_until: row.valid_until.map(|at| clock::rfc3339(clock::from_micros(at))),
            created_at: clock::rfc3339(clock::from_micros(row.created_at)),
        }
    }
}

impl ExchangeRateBody {
    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Of the id alone: a rate never changes.
    #[must_use]
    pub fn etag(&self) -> String {
        entity_tag(self.id)
    }
}
