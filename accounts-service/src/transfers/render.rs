//! Transfers as JSON. One function for the first answer, its replay, a list and a batch, so that they agree to the byte.

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use shared::clock;
use shared::domain::{AccountId, Currency, TransferId};
use shared::problem::{Context, Problem};
use utoipa::ToSchema;

use super::model::Transfer;
use super::shown::{Shown, Standing};
use crate::posting::{Decided, Done, Recorded};

/// A transfer, as the API shows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Transfer)]
pub struct TransferBody<'a> {
    /// Its id; `null` in a dry run.
    pub id: Option<TransferId>,
    /// The account that paid.
    pub debit_account_id: AccountId,
    /// The account that received.
    pub credit_account_id: AccountId,
    /// Minor units of the currency.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 1050)]
    pub amount: i64,
    /// ISO 4217.
    #[schema(value_type = String, example = "USD")]
    pub currency: Currency,
    /// `posted`, `pending`, `voided` or `expired`: as it was recorded where that is answered, as it is by now where it is
    /// looked at.
    #[schema(example = "posted")]
    pub status: &'static str,
    /// What is still held of a pending transfer, and what can still be paid back of a posted one; `null` of others.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 1050)]
    pub remaining: Option<i64>,
    /// For people.
    pub description: Option<&'a str>,
    /// The client's own reference.
    pub external_ref: Option<&'a str>,
    /// The client's own data, as it was sent.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<&'a RawValue>,
    /// The pending transfer that this one posts or voids.
    pub pending_of: Option<TransferId>,
    /// The transfer that this one reverses.
    pub reversal_of: Option<TransferId>,
    /// When a pending transfer lets go of its hold.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When money moved by it: `null` in a dry run, and for ever of pending and voided ones. A pending transfer is shown `posted` once
    /// something of it was; what posted it is a transfer of its own, which has this.
    #[schema(format = DateTime)]
    pub posted_at: Option<&'a str>,
    /// When it was recorded; `null` in a dry run.
    #[schema(format = DateTime)]
    pub created_at: Option<&'a str>,
    /// Where it was asked for by `receipt=true`: a compact JWS that anybody checks by the keys at `/.well-known/receipt-keys.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "eyJ0eXAiOiJ0b2xsZ2F0ZS1yZWNlaXB0K2p3dCIsImFsZyI6IkVkRFNBIiwia2lkIjoi…")]
    pub receipt: Option<&'a str>,
}

impl<'a> TransferBody<'a> {
    fn of(decided: &'a Decided, at: Option<&'a str>) -> Self {
        Self::standing(decided, at, Standing::recorded(&decided.record))
    }

    fn standing(Decided { record, memo }: &'a Decided, at: Option<&'a str>, standing: Standing) -> Self {
        Self {
            id: at.map(|_| record.id),
            debit_account_id: record.debit,
            credit_account_id: record.credit,
            amount: record.amount.get(),
            currency: record.currency,
            status: standing.status.as_str(),
            remaining: standing.remaining,
            description: memo.description.as_deref(),
            external_ref: memo.external_ref.as_deref(),
            metadata: memo.metadata.as_deref(),
            pending_of: record.pending_of,
            reversal_of: record.reversal_of,
            expires_at: record.expires_at.map(|at| clock::rfc3339(clock::from_micros(at))),
            posted_at: at.filter(|_| record.status == Recorded::Posted),
            created_at: at,
            receipt: None,
        }
    }
}

impl Serialize for Transfer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let at = clock::rfc3339(clock::from_micros(self.at));
        TransferBody::of(&self.decided, Some(&at)).serialize(to)
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let at = clock::rfc3339(clock::from_micros(self.transfer.at));
        TransferBody::standing(&self.transfer.decided, Some(&at), self.standing).serialize(to)
    }
}

/// A transfer's body as it stands, with its receipt.
#[must_use]
pub fn shown(Shown { transfer, standing }: &Shown, receipt: &str) -> Vec<u8> {
    let at = clock::rfc3339(clock::from_micros(transfer.at));
    let body = TransferBody::standing(&transfer.decided, Some(&at), *standing);
    serde_json::to_vec(&TransferBody { receipt: Some(receipt), ..body }).unwrap_or_default()
}

/// A recorded transfer's body, with its receipt.
#[must_use]
pub fn receipted(transfer: &Transfer, receipt: &str) -> Vec<u8> {
    let standing = Standing::recorded(&transfer.decided.record);
    shown(&Shown { transfer: transfer.clone(), standing }, receipt)
}

/// A recorded transfer's body.
#[must_use]
pub fn transfer(transfer: &Transfer) -> Vec<u8> {
    serde_json::to_vec(transfer).unwrap_or_default()
}

/// What would be recorded, for a dry run.
#[must_use]
pub fn dry_run(decided: &Decided) -> Vec<u8> {
    serde_json::to_vec(&TransferBody::of(decided, None)).unwrap_or_default()
}

/// One item of a batch's answer.
#[derive(Debug)]
pub enum Item {
    /// It posted.
    Posted(Transfer),
    /// It would post: a dry run.
    WouldPost(std::sync::Arc<Decided>),
    /// It did not: status and problem.
    Refused(u16, Bytes),
}

impl Item {
    /// An item that is answered with a problem.
    #[must_use]
    pub fn refused(problem: &Problem, context: &Context) -> Self {
        Self::Refused(problem.code().status(), problem.body(context).into())
    }
}

#[derive(Serialize)]
struct ItemBody {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Box<RawValue>>,
}

impl ItemBody {
    fn of(item: &Item) -> Self {
        match item {
            Item::Posted(posted) => Self { status: 201, transfer: raw(transfer(posted)), problem: None },
            Item::WouldPost(decided) => Self { status: 200, transfer: raw(dry_run(decided)), problem: None },
            Item::Refused(status, problem) => Self { status: *status, transfer: None, problem: raw(problem.to_vec()) },
        }
    }
}

fn raw(json: Vec<u8>) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

#[derive(Serialize)]
struct Results {
    results: Vec<ItemBody>,
}

/// The body of a batch that is done.
#[must_use]
pub fn done(items: &[Done], at: i64) -> Bytes {
    let item = |item: &Done| match item {
        Done::Posted(decided) => Item::Posted(Transfer { decided: decided.clone(), at }),
        Done::Refused(status, problem) => Item::Refused(*status, problem.clone()),
    };
    results(&items.iter().map(item).collect::<Vec<_>>())
}

/// A batch's body: `{"results": […]}`.
#[must_use]
pub fn results(items: &[Item]) -> Bytes {
    let results = items.iter().map(ItemBody::of).collect();
    serde_json::to_vec(&Results { results }).unwrap_or_default().into()
}

/// The same array as a value, to lie inside a problem.
#[must_use]
pub fn results_value(items: &[Item]) -> Value {
    let bodies: Vec<_> = items.iter().map(ItemBody::of).collect();
    serde_json::to_value(bodies).unwrap_or(Value::Null)
}
