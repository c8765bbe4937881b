//! An attempt at a date: the transfer it stands for, under a key that is made of the date itself, so that it posts at most
//! once whoever carries it out, and however often; and taking it back for good.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, DbErr, EntityTrait};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shared::clock::Clock;
use shared::domain::{AccountId, Amount, TransferId};
use shared::problem::{Code, Context, Problem};
use uuid::Uuid;

use super::error::StandingError;
use super::model::{Corrupt, RunBody, StandingOrderBody};
use super::progress::{Outcome, advance};
use super::store;
use crate::accounts::record;
use crate::db::entity::{standing_order, standing_order_run, transfer_key};
use crate::idempotency::cut;
use crate::posting::{self, Command, Draft, KeyDigest, Memo, Order, Unit, Work};

/// Sets these keys apart from those that callers choose.
const SCOPE: &[u8] = b"standing order run";

/// An attempt that is to be carried out.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Its order.
    pub order: standing_order::Model,
    /// Its row.
    pub run: standing_order_run::Model,
}

/// An event that goes with a change, to be written last.
#[derive(Debug)]
pub struct Event {
    kind: &'static str,
    of: AccountId,
    data: String,
}

impl Event {
    /// Of an order as it is now.
    pub fn of_order(kind: &'static str, order: &standing_order::Model) -> Result<Self, Corrupt> {
        let body = StandingOrderBody::try_from(order.clone())?;
        let data = String::from_utf8(body.json()).unwrap_or_default();
        Ok(Self { kind, of: order.debit_account_id.into(), data })
    }

    fn of_run(order: &standing_order::Model, run: &standing_order_run::Model) -> Self {
        let run = RunBody::from(run.clone());
        let data = serde_json::json!({"standing_order_id": order.id, "run": run}).to_string();
        Self { kind: "standing_order.run", of: order.debit_account_id.into(), data }
    }

    /// Writes it. Takes the lock on the chain's head.
    pub async fn record(&self, tx: &DatabaseTransaction, clock: &Clock) -> Result<(), DbErr> {
        record(tx, clock, self.kind, self.of, &self.data).await
    }
}

/// The key of an attempt.
fn key(run: &standing_order_run::Model) -> KeyDigest {
    let mut hash = Sha256::new();
    hash.update(SCOPE);
    hash.update(run.order_id);
    hash.update(&run.due_on);
    hash.update(run.attempt.to_be_bytes());
    KeyDigest(cut(hash))
}

impl Attempt {
    /// What the engine is asked. The key says everything, so it is its own fingerprint: a payment whose text was changed
    /// between two tries to carry it out is still the same payment.
    pub fn unit(&self, clock: &Clock) -> Result<Unit, Corrupt> {
        let order = &self.order;
        let sides = (order.debit_account_id.into(), order.credit_account_id.into());
        let amount = Amount::try_from(order.amount).map_err(|_| Corrupt("amount"))?;
        let currency = order.currency.parse().map_err(|_| Corrupt("currency"))?;
        let metadata = order.metadata.clone().map(RawValue::from_string).transpose();
        let draft = Draft {
            id: TransferId::generate(clock),
            // By its owner and never as a treasurer: whoever was one and is none any more makes no money by it.
            command: Command::Transfer(
                Order::new(sides, amount, currency, order.owner_id.into()).map_err(|_| Corrupt("credit_account_id"))?,
            ),
            memo: Memo {
                description: order.description.as_deref().map(Into::into),
                external_ref: None,
                metadata: metadata.map_err(|_| Corrupt("metadata"))?.map(Into::into),
            },
        };
        let key = key(&self.run);
        Ok(Unit { key: Some(key), fingerprint: key.0, work: Work::One(draft.into()), context: Context::current() })
    }
}

/// What the engine has answered.
#[must_use]
pub fn outcome(of: &posting::Outcome) -> Outcome {
    match of {
        posting::Outcome::Posted(decided) => Outcome::Posted(decided.record.id),
        // Of a batch, which nobody here has asked for.
        posting::Outcome::Results(_) => Outcome::Declined(Code::InternalError.as_str().to_owned()),
        posting::Outcome::Stored(_, body) => Outcome::Declined(code_of(body)),
    }
}

fn code_of(problem: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Coded {
        code: String,
    }
    let coded: Result<Coded, _> = serde_json::from_slice(problem);
    coded.map_or_else(|_| Code::InternalError.as_str().to_owned(), |coded| coded.code)
}

/// Writes down how an attempt ended, and what that makes of its order, both of which are locked. The order's own row is
/// the caller's to write.
pub async fn conclude(
    tx: &DatabaseTransaction,
    order: &mut standing_order::Model,
    run: standing_order_run::Model,
    (outcome, now): (&Outcome, i64),
) -> Result<Vec<Event>, StandingError> {
    let is_next = order.next_due_on.as_ref() == Some(&run.due_on) && order.next_attempt == run.attempt;
    let ended = match outcome {
        Outcome::Posted(id) => ("posted", None, Some(id.as_uuid())),
        Outcome::Declined(code) => ("declined", Some(code.clone()), None),
    };
    let run = store::finish(tx, run, ended, now).await?;
    if is_next {
        let declined = store::declined(tx, order.id, &run.due_on).await?;
        advance(order, outcome, (declined, now))?;
    } else {
        // Paused or cancelled meanwhile, and still there was a payment.
        order.runs = order.runs.saturating_add(i32::from(matches!(outcome, Outcome::Posted(_))));
    }
    order.leased_until = None;
    touch(order, now);
    let mut events = vec![Event::of_run(order, &run)];
    if order.status == "ended" {
        events.push(Event::of_order("standing_order.ended", order)?);
    }
    Ok(events)
}

/// A change that clients can see.
pub fn touch(order: &mut standing_order::Model, now: i64) {
    order.version = order.version.saturating_add(1);
    order.updated_at = now;
}

/// Takes back the attempt that is under way, if there is one: its key is taken, so that nobody posts it any more. One that
/// has an outcome by then has it, and it is written down. After the commit of `tx` no payment of it comes any more.
pub async fn withdraw(
    tx: &DatabaseTransaction,
    order: &mut standing_order::Model,
    now: i64,
) -> Result<Vec<Event>, StandingError> {
    let Some(run) = store::running(tx, order.id).await? else { return Ok(Vec::new()) };
    let key = key(&run);
    if !claim(tx, key).await? {
        // Whoever has the key has committed, or the claim would still wait.
        let row = transfer_key::Entity::find_by_id(key.0).one(tx).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound("transfer_keys".to_owned()))?;
        let outcome = match row.transfer_id {
            Some(id) => Outcome::Posted(id.into()),
            None => Outcome::Declined(code_of(row.body.as_deref().unwrap_or_default())),
        };
        return conclude(tx, order, run, (&outcome, now)).await;
    }
    if order.next_due_on.as_ref() == Some(&run.due_on) {
        order.next_attempt = order.next_attempt.saturating_add(1);
    }
    let run = store::finish(tx, run, ("withdrawn", None, None), now).await?;
    order.leased_until = None;
    Ok(vec![Event::of_run(order, &run)])
}

/// Takes a key with a refusal, unless it has an outcome. Waits for a commit batch that is just taking it.
async fn claim(tx: &DatabaseTransaction, key: KeyDigest) -> Result<bool, DbErr> {
    let refusal = Problem::new(Code::StateConflict).detail("The payment was withdrawn.");
    let row = transfer_key::ActiveModel {
        digest: Set(key.0),
        fingerprint: Set(key.0),
        status: Set(i16::try_from(Code::StateConflict.status()).unwrap_or(409)),
        transfer_id: Set(None::<Uuid>),
        body: Set(Some(refusal.body(&Context::current()))),
    };
    let free = OnConflict::column(transfer_key::Column::Digest).do_nothing().to_owned();
    match transfer_key::Entity::insert(row).on_conflict(free).exec_without_returning(tx).await {
        Ok(rows) => Ok(rows > 0),
        Err(DbErr::RecordNotInserted) => Ok(false),
        Err(error) => Err(error),
    }
}
