//! Bodies of POST /exchanges and /exchange-rates, parsed once.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use shared::clock;
use shared::domain::{AccountId, Currency};
use shared::wire::RawAmount;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;
use uuid::Uuid;

use super::rate::Rate;
use crate::idempotency::cut;

/// An exchange to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExchange {
    /// The account that pays: one of the caller's, or for a treasurer a system account.
    pub debit_account_id: AccountId,
    /// The account that receives: any open account of another currency.
    pub credit_account_id: AccountId,
    /// What is paid: minor units of the debit account's currency, 1 to 9007199254740991.
    #[schema(value_type = i64, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 10_000)]
    pub amount: RawAmount,
    /// The rate that is counted on: 422 `exchange_rate_changed` when another is in force. Absent: the one that is.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$", example = "0.9234")]
    pub rate: Option<Rate>,
}

/// A rate to set.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExchangeRate {
    /// What is paid in: ISO 4217.
    #[schema(value_type = String, format = "iso-4217", example = "USD")]
    pub base: Currency,
    /// What is received in: ISO 4217.
    #[schema(value_type = String, format = "iso-4217", example = "EUR")]
    pub quote: Currency,
    /// Major units of `quote` for one of `base`: a decimal above zero, up to 12 digits before the point and 12 after it.
    #[schema(value_type = String, pattern = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,12})?$", example = "0.9234")]
    pub rate: Rate,
    /// Where `base` is paid to: a system account in it.
    pub base_account_id: AccountId,
    /// Where `quote` comes from: a system account in it.
    pub quote_account_id: AccountId,
    /// Where what rounding takes is booked: another system account in `quote`.
    pub rounding_account_id: AccountId,
    /// When it lapses. Absent: when the next is set.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub valid_until: Option<String>,
}

/// An RFC 3339 instant in microseconds since the epoch.
fn instant(text: &str) -> Result<i64, NoInstant> {
    let micros = OffsetDateTime::parse(text, &Rfc3339).map(clock::to_micros).map_err(|_| NoInstant)?;
    // In UTC it may lie beyond the last year that can be shown.
    if clock::to_micros(clock::from_micros(micros)) == micros { Ok(micros) } else { Err(NoInstant) }
}

/// Text that is no instant.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("an RFC 3339 instant")]
pub struct NoInstant;

impl NewExchange {
    /// What was asked, whatever the order of members and the spacing of the body.
    #[must_use]
    pub fn fingerprint(&self) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(self.debit_account_id.as_uuid());
        hash.update(self.credit_account_id.as_uuid());
        hash.update(self.amount.get().to_be_bytes());
        hash.update([u8::from(self.rate.is_some())]);
        hash.update(self.rate.map(String::from).unwrap_or_default());
        cut(hash)
    }
}

impl NewExchangeRate {
    /// When it lapses, in microseconds since the epoch.
    pub fn valid_until(&self) -> Result<Option<i64>, NoInstant> {
        self.valid_until.as_deref().map(instant).transpose()
    }

    /// What was asked, whatever the order of members and the spacing of the body.
    #[must_use]
    pub fn fingerprint(&self) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(self.base.code());
        hash.update(self.quote.code());
        for account in [self.base_account_id, self.quote_account_id, self.rounding_account_id] {
            hash.update(account.as_uuid());
        }
        hash.update([u8::from(self.valid_until.is_some())]);
        // Texts of one instant are one wish; what is none is refused under no key.
        hash.update(self.valid_until().unwrap_or_default().unwrap_or_default().to_be_bytes());
        hash.update(self.rate.to_string());
        cut(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_is_no_instant() {
        assert!(instant("9999-12-31T23:59:59Z").is_ok() && instant("2026-11-22T10:00:00.000001+02:00").is_ok());
        for beyond in ["9999-12-31T23:59:59-01:00", "tomorrow"] {
            assert!(instant(beyond).is_err(), "{beyond}");
        }
    }
}
