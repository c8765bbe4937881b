//! Bodies of POST /transfers and /transfers/batch: parsed once into what the engine takes, or refused with a pointer.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shared::auth::SignedIn;
use shared::domain::{AccountId, Currency, Permission, TransferId};
use shared::problem::{Code, Problem};
use shared::wire::RawAmount;
use utoipa::ToSchema;
use uuid::Uuid;

use super::preconditions::{NewPreconditions, object};
use super::{memo, metadata};
use crate::accounts::may_see_all;
use crate::idempotency::cut;
use crate::posting::{Command, Draft, Memo, Mode, Order, Pending};

/// Seconds until a pending transfer lets go: a second to 366 days.
const EXPIRES_IN: std::ops::RangeInclusive<i128> = 1..=31_622_400;

/// An order to move money.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTransfer {
    /// The account that pays: one of the caller's, or for a treasurer a system account.
    pub debit_account_id: AccountId,
    /// The account that receives: any open account of the same currency.
    pub credit_account_id: AccountId,
    /// Minor units, 1 to 9007199254740991.
    #[schema(value_type = i64, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1050)]
    pub amount: RawAmount,
    /// ISO 4217; both accounts must have it.
    #[schema(value_type = String, format = "iso-4217", example = "USD")]
    pub currency: Currency,
    /// For people, up to 500 characters.
    #[serde(default)]
    pub description: Option<String>,
    /// The client's own reference, up to 128 characters: one transfer's only, of all that debit accounts of one owner.
    #[serde(default)]
    pub external_ref: Option<String>,
    /// A JSON object of the client's own, up to 8 KiB and 16 levels, no member twice.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Box<RawValue>>,
    /// What must hold of the resulting balances.
    #[serde(default, deserialize_with = "object")]
    pub preconditions: Option<NewPreconditions>,
    /// Whether the money is only held: it counts as spent, and moves when the transfer is posted.
    #[serde(default)]
    pub pending: bool,
    /// Seconds after which a pending transfer lets go by itself, 1 to 31622400 (366 days); never when absent.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 31_622_400, example = 604_800)]
    pub expires_in: Option<RawAmount>,
}

/// Many orders under one key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBatch {
    /// Whether one decline declines all.
    pub mode: Mode,
    /// 1 to 8,000 orders; each is read on its own, so that one bad order is that item's problem.
    #[schema(value_type = Vec<NewTransfer>)]
    pub transfers: Vec<Box<RawValue>>,
}

impl NewTransfer {
    /// The rules on texts that their types do not hold: part of the body's shape.
    pub fn check(&self) -> Result<(), Problem> {
        let mut faults = memo::faults(self.description.as_deref(), self.external_ref.as_deref());
        if let Some(seconds) = self.expires_in {
            if !EXPIRES_IN.contains(&seconds.get()) {
                let detail = format!("{} to {} seconds", EXPIRES_IN.start(), EXPIRES_IN.end());
                faults.push(("/expires_in", "range", detail));
            } else if !self.pending {
                faults.push(("/expires_in", "pending", "only a pending transfer expires".to_owned()));
            }
        }
        memo::refused(faults)?;
        self.metadata.as_deref().map_or(Ok(()), metadata::check)
    }

    /// What was asked, whatever the order of members and the spacing of the body.
    pub fn fingerprint(&self) -> Uuid {
        let mut hash = Sha256::new();
        self.feed(&mut hash);
        cut(hash)
    }

    pub(super) fn feed(&self, hash: &mut Sha256) {
        hash.update(self.debit_account_id.as_uuid());
        hash.update(self.credit_account_id.as_uuid());
        hash.update(self.amount.get().to_be_bytes());
        hash.update(self.currency.code());
        memo::feed_text(hash, self.description.as_deref());
        memo::feed_text(hash, self.external_ref.as_deref());
        let conditions = self.preconditions.unwrap_or_default();
        let (debit, credit) =
            (conditions.debit_balance.unwrap_or_default(), conditions.credit_balance.unwrap_or_default());
        for bound in [debit.gte, debit.lte, credit.gte, credit.lte, conditions.debit_version] {
            hash.update([u8::from(bound.is_some())]);
            hash.update(bound.unwrap_or_default().to_be_bytes());
        }
        memo::feed_metadata(hash, self.metadata.as_deref());
        self.feed_newer(hash);
    }

    /// Of what there was not always: a body without it has the fingerprint that it had then.
    fn feed_newer(&self, hash: &mut Sha256) {
        let conditions = self.preconditions.unwrap_or_default();
        let (debit, credit) =
            (conditions.debit_balance.unwrap_or_default(), conditions.credit_balance.unwrap_or_default());
        let newer = [
            self.pending.then_some(1),
            self.expires_in.map(RawAmount::get),
            debit.gt.map(Into::into),
            debit.eq.map(Into::into),
            debit.lt.map(Into::into),
            credit.gt.map(Into::into),
            credit.eq.map(Into::into),
            credit.lt.map(Into::into),
        ];
        if newer.iter().any(Option::is_some) {
            for member in newer {
                hash.update([u8::from(member.is_some())]);
                hash.update(member.unwrap_or_default().to_be_bytes());
            }
        }
    }

    /// The draft, or what is refused before any account is looked at: 422 `amount_out_of_range`, then
    /// `accounts_must_be_different`.
    pub fn draft(self, who: &SignedIn, id: TransferId) -> Result<Draft, Problem> {
        let amount = self.amount.amount().map_err(|_| Problem::new(Code::AmountOutOfRange))?;
        let sides = (self.debit_account_id, self.credit_account_id);
        let mut order = Order::new(sides, amount, self.currency, who.user.id)
            .map_err(|_| Problem::new(Code::AccountsMustBeDifferent))?;
        order.treasurer = who.may(Permission::AccountsTreasury);
        order.reads_all = may_see_all(who);
        order.preconditions = self.preconditions.unwrap_or_default().into();
        let micros = |seconds: RawAmount| i64::try_from(seconds.get()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        order.pending = self.pending.then(|| Pending { expires_in: self.expires_in.map(micros) });
        let memo = Memo {
            description: self.description.map(Into::into),
            external_ref: self.external_ref.map(Into::into),
            metadata: self.metadata.map(Into::into),
        };
        Ok(Draft { id, command: Command::Transfer(order), memo })
    }
}
