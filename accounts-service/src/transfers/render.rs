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
use crate::posting::Draft;

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
    /// Always `posted`: a transfer that did not post is a problem, not a transfer.
    #[schema(example = "posted")]
    pub status: &'static str,
    /// For people.
    pub description: Option<&'a str>,
    /// The client's own reference.
    pub external_ref: Option<&'a str>,
    /// The client's own data, as it was sent.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<&'a RawValue>,
    /// The pending transfer that this one posts.
    pub pending_of: Option<TransferId>,
    /// The transfer that this one reverses.
    pub reversal_of: Option<TransferId>,
    /// When a pending transfer lets go of its hold.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it posted; `null` in a dry run.
    #[schema(format = DateTime)]
    pub posted_at: Option<&'a str>,
    /// When it was recorded; `null` in a dry run.
    #[schema(format = DateTime)]
    pub created_at: Option<&'a str>,
}

impl<'a> TransferBody<'a> {
    fn of(draft: &'a Draft, posted_at: Option<&'a str>) -> Self {
        Self {
            id: posted_at.map(|_| draft.id),
            debit_account_id: draft.order.debit(),
            credit_account_id: draft.order.credit(),
            amount: draft.order.amount.get(),
            currency: draft.order.currency,
            status: "posted",
            description: draft.description.as_deref(),
            external_ref: draft.external_ref.as_deref(),
            metadata: draft.metadata.as_deref(),
            pending_of: None,
            reversal_of: None,
            expires_at: None,
            posted_at,
            created_at: posted_at,
        }
    }
}

impl Serialize for Transfer {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let posted_at = clock::rfc3339(clock::from_micros(self.posted_at));
        TransferBody::of(&self.draft, Some(&posted_at)).serialize(to)
    }
}

/// A posted transfer's body.
#[must_use]
pub fn transfer(transfer: &Transfer) -> Vec<u8> {
    serde_json::to_vec(transfer).unwrap_or_default()
}

/// What a draft would become, for a dry run.
#[must_use]
pub fn dry_run(draft: &Draft) -> Vec<u8> {
    serde_json::to_vec(&TransferBody::of(draft, None)).unwrap_or_default()
}

/// One item of a batch's answer.
#[derive(Debug)]
pub enum Item {
    /// It posted.
    Posted(Transfer),
    /// It would post: a dry run.
    WouldPost(std::sync::Arc<Draft>),
    /// It did not.
    Refused(Problem),
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
    fn of(item: &Item, context: &Context) -> Self {
        match item {
            Item::Posted(posted) => Self { status: 201, transfer: raw(transfer(posted)), problem: None },
            Item::WouldPost(draft) => Self { status: 200, transfer: raw(dry_run(draft)), problem: None },
            Item::Refused(problem) => {
                Self { status: problem.code().status(), transfer: None, problem: raw(problem.body(context)) }
            }
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

/// A batch's body: `{"results": […]}`.
#[must_use]
pub fn results(items: &[Item], context: &Context) -> Bytes {
    let results = items.iter().map(|item| ItemBody::of(item, context)).collect();
    serde_json::to_vec(&Results { results }).unwrap_or_default().into()
}

/// The same array as a value, to lie inside a problem.
#[must_use]
pub fn results_value(items: &[Item], context: &Context) -> Value {
    let bodies: Vec<_> = items.iter().map(|item| ItemBody::of(item, context)).collect();
    serde_json::to_value(bodies).unwrap_or(Value::Null)
}
