//! The one place that decides: pure, total, and the same for single, batch and dry run.

use shared::domain::{AccountId, TransferId};

use super::account::Account;
use super::besides::{Besides, Reference};
use super::command::Command;
use super::decline::{Decline, Stop};
use super::draft::{Draft, Memo};
use super::effect::{Effect, Record, Recorded};
use super::holds::{Hold, HoldState};
use super::judge::{can_move, covers, takes};
use super::order::{Order, Pending, Preconditions};
use super::reversals::reverse;
use super::settlement::{post, void};
use super::state::{Need, State};

/// Puts what was decided into the state.
pub fn apply(state: &mut State, effect: &Effect) {
    for account in [Some(effect.debit), effect.credit].into_iter().flatten() {
        state.accounts.set(account.id, account);
    }
    if let Some(besides) = &effect.besides {
        besides.apply(state, effect.debit.id);
        if let Some(reference) = &besides.reference {
            state.references.set(reference.clone(), effect.record.id);
        }
    }
}

/// Judges a draft on what is known, at an instant in microseconds since the epoch, and changes nothing.
pub fn decide(state: &State, draft: &Draft, now: i64) -> Result<Effect, Stop> {
    match &draft.command {
        Command::Transfer(order) => transfer(state, draft.id, (order, &draft.memo), now),
        Command::Post { of, amount, release, by, seen } => {
            post(state, draft.id, (*of, *by, seen), (*amount, *release), now)
        }
        Command::Void { of, by, seen } => void(state, draft.id, (*of, *by, seen), now),
        Command::Reverse { of, amount, by, seen } => reverse(state, draft.id, (*of, *by, seen), *amount, now),
    }
}

/// Ends the holds of a known account that time has ended, which is for whoever changes an account without a transfer:
/// all of them in what it holds, and of their rows those that were looked up, also of ones that count no more. The
/// account as it is after, and how many rows that is; `None` when there is nothing to be done.
pub fn lapse(state: &mut State, id: AccountId, now: i64) -> Result<Option<(Account, usize)>, Need> {
    let Some(account) = state.account(id)?.copied() else { return Ok(None) };
    let mut besides = Besides::default();
    let freed = besides.freed(state, account, now)?;
    if freed == account {
        besides.write_down(state, &account, now)?;
    }
    let ended = besides.holds.len();
    if freed == account && ended == 0 {
        return Ok(None);
    }
    let after = freed.claimed(0);
    state.accounts.set(id, after);
    besides.apply(state, id);
    Ok(Some((after, ended)))
}

fn transfer(state: &State, id: TransferId, (order, memo): (&Order, &Memo), now: i64) -> Result<Effect, Stop> {
    let payer = state.account(order.debit())?.filter(|account| account.may_be_debited(order.caller, order.treasurer));
    let payer = *payer.ok_or(Decline::DebitAccountNotFound)?;
    let receiver = *state.account(order.credit())?.ok_or(Decline::CreditAccountNotFound)?;
    if payer.currency != order.currency || receiver.currency != order.currency {
        return Err(Decline::CurrencyMismatch.into());
    }
    can_move(&payer, &receiver)?;

    let mut besides = Besides::default();
    if let Some(text) = &memo.external_ref {
        let reference = Reference { owner: payer.owner, text: text.clone() };
        if state.reference(&reference)?.is_some() {
            return Err(Decline::ExternalRefTaken.into());
        }
        besides.reference = Some(reference);
    }
    let amount = order.amount.get();
    let freed = besides.freed(state, payer, now)?;
    // A hold is judged as if it posted now, and leaves the balances as they are.
    let (debit, credit) = match order.pending {
        None => (freed.moved(-amount), receiver.moved(amount)),
        Some(_) => (freed.claimed(amount), receiver),
    };
    check_preconditions(order, &payer, (&debit, &credit))?;
    if !besides.count(state, &payer, amount, now)? {
        return Err(Decline::LimitExceeded.into());
    }
    takes(&Account { balance: receiver.balance + amount, ..receiver })?;
    covers(&debit)?;
    let Some(Pending { expires_in }) = order.pending else {
        return Ok(Effect::new(record(id, order, Recorded::Posted), debit, Some(credit), besides));
    };
    let expires_at = expires_in.map(|micros| now.saturating_add(micros));
    besides.hold(hold(id, order, expires_at, now));
    let next_expiry = [debit.next_expiry, expires_at].into_iter().flatten().min();
    let record = Record { expires_at, ..record(id, order, Recorded::Pending) };
    Ok(Effect::new(record, Account { next_expiry, ..debit }, None, besides))
}

fn record(id: TransferId, order: &Order, status: Recorded) -> Record {
    Record {
        id,
        debit: order.debit(),
        credit: order.credit(),
        amount: order.amount,
        currency: order.currency,
        by: order.caller,
        status,
        pending_of: None,
        reversal_of: None,
        expires_at: None,
    }
}

fn hold(id: TransferId, order: &Order, expires_at: Option<i64>, now: i64) -> Hold {
    Hold {
        id,
        debit: order.debit(),
        credit: order.credit(),
        amount: order.amount.get(),
        posted: 0,
        released: 0,
        expires_at,
        counted_at: now,
        state: HoldState::Open,
        settled_at: None,
    }
}

fn check_preconditions(order: &Order, before: &Account, (debit, credit): (&Account, &Account)) -> Result<(), Decline> {
    let Preconditions { debit_balance, credit_balance, debit_version } = order.preconditions;
    let hold = order.may_ask_of(credit)
        && debit_balance.hold(debit.balance)
        && credit_balance.hold(credit.balance)
        && debit_version.is_none_or(|version| version == before.version);
    if hold { Ok(()) } else { Err(Decline::PreconditionFailed) }
}
