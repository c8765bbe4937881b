//! Bodies of POST /transfers and /transfers/batch: parsed once into what the engine takes, or refused with a pointer.

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shared::auth::SignedIn;
use shared::domain::{AccountId, Currency, Permission, TransferId};
use shared::problem::{Code, Problem};
use shared::wire::{RawAmount, idempotency};
use utoipa::ToSchema;
use uuid::Uuid;

use super::metadata;
use super::preconditions::{NewPreconditions, object};
use crate::idempotency::cut;
use crate::posting::{Draft, Mode, Order};

/// Characters of a description.
const MAX_DESCRIPTION: usize = 500;
/// Characters of an external reference.
const MAX_EXTERNAL_REF: usize = 128;

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
    /// The client's own reference, up to 128 characters.
    #[serde(default)]
    pub external_ref: Option<String>,
    /// A JSON object of the client's own, up to 8 KiB and 16 levels, no member twice.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Box<RawValue>>,
    /// What must hold of the resulting balances.
    #[serde(default, deserialize_with = "object")]
    pub preconditions: Option<NewPreconditions>,
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
        let texts = [
            ("/description", self.description.as_deref(), MAX_DESCRIPTION),
            ("/external_ref", self.external_ref.as_deref(), MAX_EXTERNAL_REF),
        ];
        let mut faults = Problem::new(Code::ValidationFailed);
        let mut sound = true;
        for (pointer, text, most) in texts {
            let Some(text) = text else { continue };
            if text.is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
                faults = faults.error(pointer, "length", format!("1 to {most} characters, no control characters"));
                sound = false;
            }
        }
        if !sound {
            return Err(faults);
        }
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
        for text in [&self.description, &self.external_ref] {
            hash.update(text.as_ref().map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
            hash.update(text.as_deref().unwrap_or_default());
        }
        let conditions = self.preconditions.unwrap_or_default();
        let (debit, credit) =
            (conditions.debit_balance.unwrap_or_default(), conditions.credit_balance.unwrap_or_default());
        for bound in [debit.gte, debit.lte, credit.gte, credit.lte, conditions.debit_version] {
            hash.update([u8::from(bound.is_some())]);
            hash.update(bound.unwrap_or_default().to_be_bytes());
        }
        hash.update([u8::from(self.metadata.is_some())]);
        if let Some(raw) = &self.metadata {
            match serde_json::from_str(raw.get()) {
                Ok(value) => hash.update(idempotency::fingerprint(&value)),
                Err(_number_too_large) => hash.update(raw.get()),
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
        order.preconditions = self.preconditions.unwrap_or_default().into();
        Ok(Draft { id, order, description: self.description, external_ref: self.external_ref, metadata: self.metadata })
    }
}
