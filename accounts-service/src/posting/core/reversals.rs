//! Paying a posted transfer back, whole or in parts.

use shared::domain::{Amount, TransferId};

use super::besides::{Besides, Reversal};
use super::command::Asker;
use super::decline::{Decline, Stop};
use super::effect::{Effect, Record, Recorded};
use super::judge::{acts_for, can_move, covers, named, takes};
use super::seen::Seen;
use super::state::State;

/// Pays back `amount`, or all that is left. Whoever received pays, out of what is available to them; a velocity limit
/// does not keep a refund from anybody.
pub(super) fn reverse(
    state: &State,
    id: TransferId,
    (of, by, seen): (TransferId, Asker, &Seen),
    amount: Option<Amount>,
    now: i64,
) -> Result<Effect, Stop> {
    let (original, paid, received) = named(state, of, by)?;
    if !acts_for(by, &received) {
        return Err(Decline::Forbidden.into());
    }
    seen.judge(state, original, now)?;
    let (status, back) = (original.record.status, original.record.reversal_of);
    if status != Recorded::Posted || back.is_some() {
        return Err(Decline::TransferNotPosted.into());
    }
    let whole = original.record.amount.get();
    let reversed = state.reversal(of)?.map_or(0, |reversal| reversal.reversed);
    let left = Amount::try_from(whole - reversed).map_err(|_| Decline::AmountExceedsOriginal)?;
    let amount = amount.unwrap_or(left);
    if amount > left {
        return Err(Decline::AmountExceedsOriginal.into());
    }
    can_move(&received, &paid)?;

    let mut besides = Besides::default();
    let debit = besides.freed(state, received, now)?.moved(-amount.get());
    let credit = paid.moved(amount.get());
    takes(&credit)?;
    covers(&debit)?;
    besides.reversal = Some(Reversal { id: of, amount: whole, reversed: reversed + amount.get() });
    let record = Record {
        id,
        debit: debit.id,
        credit: credit.id,
        amount,
        currency: original.record.currency,
        by: by.user,
        status: Recorded::Posted,
        pending_of: None,
        reversal_of: Some(of),
        expires_at: None,
    };
    Ok(Effect::new(record, debit, Some(credit), besides))
}
