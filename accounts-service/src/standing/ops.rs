//! What can be done to a standing order, each in one transaction with its event.

use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel};
use shared::auth::SignedIn;
use shared::clock::Clock;
use shared::domain::{AccountId, Permission, StandingOrderId, TransferId};
use shared::http::Conditions;
use shared::http::patch::Field;
use shared::problem::{Code, Problem};

use super::attempt::{Event, touch, withdraw};
use super::body::{NewStandingOrder, RetriesPatch, StandingOrderPatch, Switch};
use super::calendar::Schedule;
use super::error::StandingError;
use super::model::{StandingOrderBody, day, schedule};
use super::progress::{FINISHED, end, rest};
use super::store;
use crate::db::entity::{account, standing_order};
use crate::posting::{Decline, Kind, Status};

/// Orders of one owner that may still pay.
const MOST_OPEN: u64 = 1_000;

/// What is kept where nothing is tried again, in seconds.
const LEAST_RETRY_AFTER: i32 = 3_600;

/// Makes an order of the caller's, whose shape has been checked.
pub async fn create(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    (new, schedule): (NewStandingOrder, Schedule),
) -> Result<StandingOrderBody, Problem> {
    new.payment().draft(who, TransferId::generate(clock))?;
    let amount = new.amount.amount().map_err(|_| Problem::new(Code::AmountOutOfRange))?;
    check_accounts(tx, who, &new).await?;
    if store::open(tx, who.user.id).await.map_err(StandingError::from)? >= MOST_OPEN {
        return Err(StandingError::TooMany.into());
    }
    let now = clock.now_micros();
    // Nothing is due before the order is made.
    let first = schedule.coming(now).ok_or(StandingError::NoDate)?;
    let retries = new.retries.unwrap_or_default();
    let order = standing_order::Model {
        id: StandingOrderId::generate(clock).as_uuid(),
        owner_id: who.user.id.as_uuid(),
        debit_account_id: new.debit_account_id.as_uuid(),
        credit_account_id: new.credit_account_id.as_uuid(),
        amount: amount.get(),
        currency: new.currency.code().to_owned(),
        description: new.description,
        metadata: new.metadata.map(|raw| raw.get().to_owned()),
        rule: serde_json::to_string(schedule.rule()).map_err(Problem::internal)?,
        time_zone: schedule.zone().to_owned(),
        starts_on: new.starts_on,
        ends_on: new.ends_on,
        most_runs: new.most_runs,
        retry_times: retries.times,
        retry_after: retries.after.max(LEAST_RETRY_AFTER),
        status: "active".to_owned(),
        ended_by: None,
        officers_pause: false,
        next_due_on: Some(first.on.to_string()),
        next_at: Some(first.at),
        next_attempt: 1,
        runs: 0,
        leased_until: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let order = order.into_active_model().reset_all().insert(tx).await.map_err(StandingError::from)?;
    let created = Event::of_order("standing_order.created", &order).map_err(StandingError::from)?;
    tell(tx, clock, vec![created], order).await
}

/// The accounts of an order, in the order of checks of a transfer: what every payment would be declined for is refused
/// now. System accounts have no floor, and their debits are a treasurer's own decision each time.
async fn check_accounts(tx: &DatabaseTransaction, who: &SignedIn, new: &NewStandingOrder) -> Result<(), Problem> {
    let find =
        async |id: AccountId| account::Entity::find_by_id(id.as_uuid()).one(tx).await.map_err(StandingError::from);
    let (debit, credit) = (find(new.debit_account_id).await?, find(new.credit_account_id).await?);
    let own = |row: &account::Model| row.owner_id == who.user.id.as_uuid() && row.kind == Kind::User.as_str();
    let debit = debit.filter(own).ok_or(Decline::DebitAccountNotFound)?;
    let credit = credit.ok_or(Decline::CreditAccountNotFound)?;
    if [&debit, &credit].into_iter().any(|row| row.currency != new.currency.code()) {
        return Err(Decline::CurrencyMismatch.into());
    }
    let closed = |row: &account::Model| row.status == Status::Closed.as_str();
    match (closed(&debit), closed(&credit)) {
        (true, _) => Err(Decline::DebitAccountClosed.into()),
        (false, true) => Err(Decline::CreditAccountClosed.into()),
        (false, false) => Ok(()),
    }
}

/// Changes an order. What is under way is taken back first, so that no payment of what was before comes afterwards.
pub async fn change(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    (id, conditions): (StandingOrderId, &Conditions),
    patch: StandingOrderPatch,
) -> Result<StandingOrderBody, Problem> {
    let mut order = store::locked(tx, who, id).await?;
    let owner = order.owner_id == who.user.id.as_uuid();
    if !owner && (patch.is_of_owners() || !who.may(Permission::AccountsOperate)) {
        return Err(StandingError::Forbidden.into());
    }
    check_version(&order, conditions)?;
    if is_over(&order) {
        return Err(StandingError::Over.into());
    }
    let switch = patch.status.required("/status")?;
    if owner && order.officers_pause && switch == Some(Switch::Active) {
        return Err(StandingError::OfficersPause.into());
    }
    let before = order.clone();
    let now = clock.now_micros();
    let mut events = withdraw(tx, &mut order, now).await?;
    if is_over(&order) {
        return Err(StandingError::Over.into());
    }
    apply(&mut order, patch)?;
    match switch {
        Some(Switch::Paused) => pause(&mut order, !owner),
        Some(Switch::Active) => resume(tx, &mut order, now).await?,
        None => {}
    }
    refit(&mut order);
    if order == before {
        return Ok(StandingOrderBody::try_from(order).map_err(StandingError::from)?);
    }
    touch(&mut order, now);
    let order = store::save(tx, order).await.map_err(StandingError::from)?;
    let kind = if order.status == "ended" { "standing_order.ended" } else { "standing_order.changed" };
    events.push(Event::of_order(kind, &order).map_err(StandingError::from)?);
    tell(tx, clock, events, order).await
}

fn apply(order: &mut standing_order::Model, patch: StandingOrderPatch) -> Result<(), Problem> {
    if let Some(amount) = patch.amount.required("/amount")? {
        order.amount = amount.amount().map_err(|_| Problem::new(Code::AmountOutOfRange))?.get();
    }
    if let Some(description) = patch.description.optional() {
        order.description = description;
    }
    if let Some(end) = patch.ends_on.optional() {
        // Days of four-digit years are in the order of their texts.
        if end.as_ref().is_some_and(|end| *end < order.starts_on) {
            let problem = Problem::new(Code::ValidationFailed);
            return Err(problem.error("/ends_on", "before_start", "starts_on or later"));
        }
        order.ends_on = end;
    }
    if let Some(most) = patch.most_runs.optional() {
        order.most_runs = most;
    }
    match patch.retries {
        Field::Absent => {}
        Field::Null => (order.retry_times, order.retry_after) = (0, LEAST_RETRY_AFTER),
        Field::Value(RetriesPatch { times, after }) => {
            order.retry_times = times.required("/retries/times")?.unwrap_or(order.retry_times);
            order.retry_after = after.required("/retries/after")?.unwrap_or(order.retry_after);
        }
    }
    Ok(())
}

/// Nothing is due while it is paused; an officer's pause is theirs to lift.
fn pause(order: &mut standing_order::Model, by_officer: bool) {
    order.officers_pause |= by_officer;
    if order.status == "active" {
        order.status = "paused".to_owned();
        rest(order);
    }
}

/// Goes on at the first date that is still to come, and that nothing has come of: by another process's clock a date may be
/// over that is still to come by this one's.
async fn resume(tx: &DatabaseTransaction, order: &mut standing_order::Model, now: i64) -> Result<(), StandingError> {
    order.officers_pause = false;
    if order.status != "paused" {
        return Ok(());
    }
    let schedule = schedule(order)?;
    let done = store::last_date(tx, order.id).await?.as_deref().and_then(day);
    let mut next = schedule.coming(now);
    if let (Some(done), Some(coming)) = (done, &next)
        && coming.on <= done
    {
        next = schedule.after(Some(done));
    }
    let Some(next) = next else {
        end(order, FINISHED);
        return Ok(());
    };
    order.status = "active".to_owned();
    let on = next.on.to_string();
    order.next_attempt = store::last_attempt(tx, order.id, &on).await?.saturating_add(1);
    order.next_due_on = Some(on);
    order.next_at = Some(next.at);
    Ok(())
}

/// Ends it when none of its dates is left by what was changed.
fn refit(order: &mut standing_order::Model) {
    let next = order.next_due_on.as_deref().and_then(day);
    let last = order.ends_on.as_deref().and_then(day);
    let past = next.zip(last).is_some_and(|(next, last)| next > last);
    let enough = order.most_runs.is_some_and(|most| order.runs >= most);
    if order.status != "ended" && (past || enough) {
        end(order, FINISHED);
    }
}

/// Ends an order for good; no payment of it comes after the answer. Once more changes nothing.
pub async fn cancel(
    tx: &DatabaseTransaction,
    clock: &Clock,
    who: &SignedIn,
    (id, conditions): (StandingOrderId, &Conditions),
) -> Result<(), Problem> {
    let mut order = store::locked(tx, who, id).await?;
    if order.owner_id != who.user.id.as_uuid() && !who.may(Permission::AccountsOperate) {
        return Err(StandingError::Forbidden.into());
    }
    check_version(&order, conditions)?;
    if is_over(&order) {
        return Ok(());
    }
    let now = clock.now_micros();
    let mut events = withdraw(tx, &mut order, now).await?;
    // What was under way may have been the last of it.
    let cancelled = !is_over(&order);
    if cancelled {
        order.status = "cancelled".to_owned();
        rest(&mut order);
        touch(&mut order, now);
    }
    let order = store::save(tx, order).await.map_err(StandingError::from)?;
    if cancelled {
        events.push(Event::of_order("standing_order.cancelled", &order).map_err(StandingError::from)?);
    }
    tell(tx, clock, events, order).await.map(drop)
}

fn is_over(order: &standing_order::Model) -> bool {
    matches!(order.status.as_str(), "ended" | "cancelled")
}

fn check_version(order: &standing_order::Model, conditions: &Conditions) -> Result<(), StandingError> {
    conditions.require(&shared::http::entity_tag(order.version)).map_err(StandingError::Stale)
}

async fn tell(
    tx: &DatabaseTransaction,
    clock: &Clock,
    events: Vec<Event>,
    order: standing_order::Model,
) -> Result<StandingOrderBody, Problem> {
    for event in events {
        event.record(tx, clock).await.map_err(StandingError::from)?;
    }
    Ok(StandingOrderBody::try_from(order).map_err(StandingError::from)?)
}
