//! An exchange and the rate that it is made at, as they are asked for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::order::Spoil;

/// An exchange that may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exchange {
    /// Who pays.
    pub debit: String,
    /// Who receives, in another currency.
    pub credit: String,
    /// What is paid, in minor units; also what nobody can pay.
    pub amount: i64,
    /// The rate that is counted on, also one that is none.
    pub rate: Option<String>,
    /// What is wrong with its body.
    pub spoiled: Option<Spoil>,
}

impl Exchange {
    /// A plain one at whatever rate there is.
    #[must_use]
    pub fn of(debit: &str, credit: &str, amount: i64) -> Self {
        Self { debit: debit.to_owned(), credit: credit.to_owned(), amount, rate: None, spoiled: None }
    }

    /// The body of `POST /exchanges`.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        let mut set = |name: &str, value: Value| drop(body.insert(name.to_owned(), value));
        set("debit_account_id", json!(self.debit));
        set("credit_account_id", json!(self.credit));
        set("amount", json!(self.amount));
        if let Some(rate) = &self.rate {
            set("rate", json!(rate));
        }
        match self.spoiled {
            None => {}
            Some(Spoil::AmountIsText) => set("amount", json!(self.amount.to_string())),
            // What a transfer may have and an exchange may not.
            Some(Spoil::UnknownMember) => set("currency", json!("USD")),
            Some(Spoil::EmptyReference) => set("external_ref", json!("")),
            Some(Spoil::ExpiryWithoutPending) => set("expires_in", json!(60)),
        }
        Value::Object(body)
    }
}

/// A rate that may be set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewRate {
    /// What is paid in: ISO 4217.
    pub base: String,
    /// What is received in: ISO 4217.
    pub quote: String,
    /// Major units of `quote` for one of `base`, as a decimal; also what is none.
    pub rate: String,
    /// Where `base` is paid to.
    pub base_account: String,
    /// Where `quote` comes from.
    pub quote_account: String,
    /// Where what rounding takes is booked.
    pub rounding_account: String,
    /// When it lapses, in microseconds since the epoch.
    pub valid_until: Option<i64>,
}

impl NewRate {
    /// The body of `POST /exchange-rates`.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({
            "base": self.base,
            "quote": self.quote,
            "rate": self.rate,
            "base_account_id": self.base_account,
            "quote_account_id": self.quote_account,
            "rounding_account_id": self.rounding_account,
        });
        if let Some(end) = self.valid_until.and_then(instant) {
            body["valid_until"] = json!(end);
        }
        body
    }
}

/// As RFC 3339 has it.
fn instant(micros: i64) -> Option<String> {
    let instant = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()?;
    instant.format(&Rfc3339).ok()
}
