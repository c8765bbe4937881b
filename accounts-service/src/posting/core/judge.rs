//! The checks that several commands share, in the order of [`super::checks`].

use shared::domain::{MAX_AMOUNT, TransferId};

use super::account::{Account, Kind, Status};
use super::command::Asker;
use super::decline::{Decline, Stop};
use super::draft::Decided;
use super::state::State;

/// The transfer that a command names, with its debit and credit account. One that the caller may not read is as absent
/// as none.
pub(super) fn named(state: &State, of: TransferId, by: Asker) -> Result<(&Decided, Account, Account), Stop> {
    let original = state.original(of)?.ok_or(Decline::TransferNotFound)?;
    let account = |id| Ok::<_, Stop>(*state.account(id)?.ok_or(Decline::TransferNotFound)?);
    let (debit, credit) = (account(original.record.debit)?, account(original.record.credit)?);
    let reads = by.reads_all || by.treasurer || [debit.owner, credit.owner].contains(&by.user);
    if reads { Ok((original, debit, credit)) } else { Err(Decline::TransferNotFound.into()) }
}

/// Whether the caller may do what the account's owner may. Having opened a system account is not enough: it has no
/// floor, so a demoted treasurer could go on making money.
pub(super) fn acts_for(by: Asker, account: &Account) -> bool {
    by.treasurer
        || match account.kind {
            Kind::User => account.owner == by.user,
            Kind::System => false,
        }
}

/// Whether money may go from one to the other as far as their states are concerned.
pub(super) fn can_move(debit: &Account, credit: &Account) -> Result<(), Decline> {
    match (debit.status, credit.status) {
        (Status::Closed, _) => Err(Decline::DebitAccountClosed),
        (_, Status::Closed) => Err(Decline::CreditAccountClosed),
        (Status::Frozen, _) => Err(Decline::DebitAccountFrozen),
        (Status::Open, Status::Open | Status::Frozen) => Ok(()),
    }
}

/// Whether an account may be credited so that this is what it is after.
pub(super) fn takes(credit: &Account) -> Result<(), Decline> {
    if credit.ceiling.is_some_and(|ceiling| credit.balance > ceiling) {
        return Err(Decline::LimitExceeded);
    }
    if credit.balance > MAX_AMOUNT { Err(Decline::BalanceOverflow) } else { Ok(()) }
}

/// Whether an account may be debited so that this is what it is after: what is available has to be exact, and what is held.
pub(super) fn covers(debit: &Account) -> Result<(), Decline> {
    let available = debit.balance - debit.held;
    if available < -MAX_AMOUNT || debit.held > MAX_AMOUNT {
        return Err(Decline::BalanceOverflow);
    }
    if debit.floor.is_some_and(|floor| available < floor) { Err(Decline::InsufficientFunds) } else { Ok(()) }
}
