//! Posting and voiding what a pending transfer holds.

use shared::domain::{Amount, TransferId};

use super::account::Account;
use super::besides::Besides;
use super::command::Asker;
use super::decline::{Decline, Stop};
use super::draft::Decided;
use super::effect::{Effect, Record, Recorded};
use super::holds::{Hold, Standing};
use super::judge::{acts_for, can_move, named, takes};
use super::seen::Seen;
use super::state::State;

/// Books `amount` of what is held, or all that is left; with `release` the rest is let go.
pub(super) fn post(
    state: &State,
    id: TransferId,
    (of, by, seen): (TransferId, Asker, &Seen),
    (amount, release): (Option<Amount>, bool),
    now: i64,
) -> Result<Effect, Stop> {
    let (original, payer, receiver) = named(state, of, by)?;
    if !acts_for(by, &payer) {
        return Err(Decline::Forbidden.into());
    }
    seen.judge(state, original, now)?;
    let (hold, left) = open(state, original, now)?;
    let amount = amount.unwrap_or(left);
    if amount > left {
        return Err(Decline::AmountExceedsPending.into());
    }
    can_move(&payer, &receiver)?;
    let credit = receiver.moved(amount.get());
    takes(&credit)?;

    let mut besides = settling(original, hold);
    let debit = besides.freed(state, payer, now)?;
    let settled = hold.post(amount.get(), release, now);
    besides.end(state, &debit, (hold, settled), now)?;
    let held = debit.held - (hold.remaining() - settled.remaining());
    let debit = Account { held, ..debit.moved(-amount.get()) };
    let record = record(original, id, by, (amount, Recorded::Posted));
    Ok(Effect::new(record, debit, Some(credit), besides))
}

/// Lets go of all that is left.
pub(super) fn void(
    state: &State,
    id: TransferId,
    (of, by, seen): (TransferId, Asker, &Seen),
    now: i64,
) -> Result<Effect, Stop> {
    let (original, payer, receiver) = named(state, of, by)?;
    if !acts_for(by, &payer) && !acts_for(by, &receiver) {
        return Err(Decline::Forbidden.into());
    }
    seen.judge(state, original, now)?;
    let (hold, left) = open(state, original, now)?;

    let mut besides = settling(original, hold);
    let debit = besides.freed(state, payer, now)?;
    besides.end(state, &debit, (hold, hold.void(now)), now)?;
    let debit = debit.claimed(-left.get());
    let record = record(original, id, by, (left, Recorded::Voided));
    Ok(Effect::new(record, debit, None, besides))
}

/// The hold of a pending transfer with what is left of it.
fn open(state: &State, original: &Decided, now: i64) -> Result<(Hold, Amount), Stop> {
    match original.record.status {
        Recorded::Pending => {}
        Recorded::Posted | Recorded::Voided => return Err(Decline::TransferNotPending.into()),
    }
    let hold = *state.hold(original.record.id)?.ok_or(Decline::TransferNotPending)?;
    match hold.standing(now) {
        Standing::Open(left) => Ok((hold, Amount::try_from(left).map_err(|_| Decline::TransferNotPending)?)),
        Standing::Settled => Err(Decline::TransferNotPending.into()),
        Standing::Expired => Err(Decline::TransferExpired.into()),
    }
}

/// It was open when this was decided, which time may have changed by the time that it is written.
fn settling(original: &Decided, hold: Hold) -> Besides {
    let memo = Some(original.memo.without_reference());
    Besides { memo, not_after: hold.expires_at, ..Besides::default() }
}

fn record(original: &Decided, id: TransferId, by: Asker, (amount, status): (Amount, Recorded)) -> Record {
    let pending_of = Some(original.record.id);
    Record { id, amount, by: by.user, status, pending_of, expires_at: None, ..original.record }
}

#[cfg(test)]
mod tests;
