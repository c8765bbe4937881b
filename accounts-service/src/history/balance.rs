//! A balance, as the API shows it.

use serde::Serialize;
use shared::clock;
use shared::domain::AccountId;
use utoipa::ToSchema;

use super::place::Standing;
use crate::accounts::AccountBody;

/// What an account had at an instant. Amounts are minor units: divide by ten to the `exponent` for people.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
pub struct BalanceBody {
    /// Whose.
    pub account_id: AccountId,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Everything posted by then.
    pub balance: i64,
    /// What pending debits claim; `null` at an instant that was asked for: only what posted is kept for ever.
    pub held: Option<i64>,
    /// Balance less held; `null` likewise.
    pub available: Option<i64>,
    /// ISO 4217.
    #[schema(example = "USD")]
    pub currency: String,
    /// Decimals of the currency's major unit.
    #[schema(example = 2)]
    pub exponent: u8,
    /// The number of the last entry by then; 0: none.
    pub seq: i64,
}

impl BalanceBody {
    /// The present one of an account with so many entries, looked at `at`.
    pub(super) fn now(account: AccountBody, seq: i64, at: i64) -> Self {
        let (held, available, balance) = (Some(account.held), Some(account.available), account.balance);
        Self { held, available, ..Self::then(account, Standing { seq, balance }, at) }
    }

    /// That with an account's entry number `seq`, its last one `at`.
    pub(super) fn then(account: AccountBody, Standing { seq, balance }: Standing, at: i64) -> Self {
        Self {
            account_id: account.id,
            at: clock::rfc3339(clock::from_micros(at)),
            balance,
            held: None,
            available: None,
            currency: account.currency,
            exponent: account.exponent,
            seq,
        }
    }
}
