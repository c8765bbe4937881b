//! What the outcome of an attempt makes of its order: the next date, another try, or the end. Pure.

use shared::domain::TransferId;

use super::calendar::Schedule;
use super::model::{Corrupt, day, schedule};
use crate::db::entity::standing_order::Model;

/// Why an order ends whose dates are all over.
pub const FINISHED: &str = "finished";

/// Declines that every later date would end with, too.
const FOR_EVER: [&str; 5] = [
    "debit_account_closed",
    "credit_account_closed",
    "debit_account_not_found",
    "credit_account_not_found",
    "currency_mismatch",
];

/// The one decline that a retry may cure.
const FOR_NOW: &str = "insufficient_funds";

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It posted this transfer.
    Posted(TransferId),
    /// It was declined with this code.
    Declined(String),
}

/// Moves an active order on from an attempt at its next date, of whose attempts `declined` were, this one included.
pub fn advance(order: &mut Model, outcome: &Outcome, (declined, now): (u64, i64)) -> Result<(), Corrupt> {
    let schedule = schedule(order)?;
    match outcome {
        Outcome::Declined(code) if FOR_EVER.contains(&code.as_str()) => {
            order.runs = order.runs.saturating_add(1);
            end(order, code);
        }
        Outcome::Declined(code) if code == FOR_NOW && retries(order, &schedule, (declined, now))? => {
            order.next_attempt = order.next_attempt.saturating_add(1);
            order.next_at = Some(retry_at(order, now));
        }
        Outcome::Posted(_) | Outcome::Declined(_) => pass(order, &schedule)?,
    }
    Ok(())
}

/// The order's next date is over, whatever came of it.
pub fn pass(order: &mut Model, schedule: &Schedule) -> Result<(), Corrupt> {
    order.runs = order.runs.saturating_add(1);
    let on = order.next_due_on.as_deref().and_then(day).ok_or(Corrupt("next_due_on"))?;
    let left = order.most_runs.is_none_or(|most| order.runs < most);
    match schedule.after(Some(on)).filter(|_| left) {
        Some(next) => {
            order.next_due_on = Some(next.on.to_string());
            order.next_at = Some(next.at);
            order.next_attempt = 1;
        }
        None => end(order, FINISHED),
    }
    Ok(())
}

/// No date of it will be paid any more.
pub fn end(order: &mut Model, why: &str) {
    order.status = "ended".to_owned();
    order.ended_by = Some(why.to_owned());
    rest(order);
}

/// Nothing is due as long as it is not active.
pub fn rest(order: &mut Model) {
    order.next_due_on = None;
    order.next_at = None;
    order.next_attempt = 1;
    order.leased_until = None;
}

/// Whether another try is left, and lies before the next date: two dates are never open at once.
/// What was withdrawn was no try.
fn retries(order: &Model, schedule: &Schedule, (declined, now): (u64, i64)) -> Result<bool, Corrupt> {
    if i64::try_from(declined).unwrap_or(i64::MAX) > i64::from(order.retry_times) {
        return Ok(false);
    }
    let on = order.next_due_on.as_deref().and_then(day).ok_or(Corrupt("next_due_on"))?;
    Ok(schedule.after(Some(on)).is_none_or(|next| retry_at(order, now) < next.at))
}

fn retry_at(order: &Model, now: i64) -> i64 {
    now.saturating_add(i64::from(order.retry_after).saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests;
