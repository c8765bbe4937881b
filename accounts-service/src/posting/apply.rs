//! The one place that decides a transfer: pure, total, and the same for single, batch and dry run.

use shared::domain::{AccountId, Amount, Currency, MAX_AMOUNT, UserId};
use shared::problem::{Code, Problem};

use super::state::{Account, Kind, State, Status};

/// An intent to move money, well-formed but not yet judged against any account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    debit: AccountId,
    credit: AccountId,
    /// How much, in minor units.
    pub amount: Amount,
    /// Of what.
    pub currency: Currency,
    /// Who asks.
    pub caller: UserId,
    /// Whether the caller may debit system accounts that are another's: treasurers may.
    pub treasurer: bool,
    /// What must hold of the balances that would result.
    pub preconditions: Preconditions,
}

/// Debit and credit side are one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("debit and credit account must be different")]
pub struct SameAccount;

impl Order {
    /// An order between two different accounts, by `caller`.
    pub fn new(
        (debit, credit): (AccountId, AccountId),
        amount: Amount,
        currency: Currency,
        caller: UserId,
    ) -> Result<Self, SameAccount> {
        if debit == credit {
            return Err(SameAccount);
        }
        Ok(Self { debit, credit, amount, currency, caller, treasurer: false, preconditions: Preconditions::default() })
    }

    /// The account that pays.
    #[must_use]
    pub const fn debit(&self) -> AccountId {
        self.debit
    }

    /// The account that receives.
    #[must_use]
    pub const fn credit(&self) -> AccountId {
        self.credit
    }
}

/// Conditions on the outcome; an empty one always holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// On the debit account's resulting balance.
    pub debit_balance: Bounds,
    /// On the credit account's resulting balance.
    pub credit_balance: Bounds,
    /// The debit account's version as the client last saw it.
    pub debit_version: Option<i64>,
}

/// Inclusive bounds in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// At least.
    pub gte: Option<i64>,
    /// At most.
    pub lte: Option<i64>,
}

impl Bounds {
    fn hold(self, value: i64) -> bool {
        self.gte.is_none_or(|least| value >= least) && self.lte.is_none_or(|most| value <= most)
    }
}

/// Both sides as they are after a transfer; its entries' `seq` and `balance_after` are theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The account that paid.
    pub debit: Account,
    /// The account that received.
    pub credit: Account,
}

/// Why a transfer was declined, in the contract's order of checks: an earlier one hides a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decline {
    /// The caller has no such account to debit, whether or not it exists.
    DebitAccountNotFound,
    /// There is no such account to credit.
    CreditAccountNotFound,
    /// The order and both accounts do not share one currency.
    CurrencyMismatch,
    /// The debit account is closed.
    DebitAccountClosed,
    /// The credit account is closed.
    CreditAccountClosed,
    /// The debit account is frozen.
    DebitAccountFrozen,
    /// A precondition does not hold.
    PreconditionFailed,
    /// The credit account would pass its ceiling.
    LimitExceeded,
    /// A balance would leave the range of exact integers.
    BalanceOverflow,
    /// The debit account would pass its floor.
    InsufficientFunds,
}

impl Decline {
    /// Its row in the catalogue of problems.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::DebitAccountNotFound => Code::DebitAccountNotFound,
            Self::CreditAccountNotFound => Code::CreditAccountNotFound,
            Self::CurrencyMismatch => Code::CurrencyMismatch,
            Self::DebitAccountClosed => Code::DebitAccountClosed,
            Self::CreditAccountClosed => Code::CreditAccountClosed,
            Self::DebitAccountFrozen => Code::DebitAccountFrozen,
            Self::PreconditionFailed => Code::PreconditionFailed,
            Self::LimitExceeded => Code::LimitExceeded,
            Self::BalanceOverflow => Code::BalanceOverflow,
            Self::InsufficientFunds => Code::InsufficientFunds,
        }
    }
}

impl From<Decline> for Problem {
    fn from(decline: Decline) -> Self {
        Self::new(decline.code())
    }
}

/// Decides and posts. A decline changes nothing.
pub fn apply(state: &mut State, order: &Order) -> Result<Posting, Decline> {
    let posting = decide(state, order)?;
    state.put(posting.debit);
    state.put(posting.credit);
    Ok(posting)
}

/// Decides without posting: what a dry run asks.
pub fn decide(state: &State, order: &Order) -> Result<Posting, Decline> {
    let debit = state.account(order.debit).filter(|account| may_debit(order, account));
    let debit = *debit.ok_or(Decline::DebitAccountNotFound)?;
    let credit = *state.account(order.credit).ok_or(Decline::CreditAccountNotFound)?;
    check_accounts(order, &debit, &credit)?;
    // No overflow: balances and amounts are within 2^53, so sums are within 2^54.
    let amount = order.amount.get();
    let posting = Posting { debit: moved(debit, -amount), credit: moved(credit, amount) };
    check_preconditions(order, &debit, &posting)?;
    check_limits(&posting)?;
    Ok(posting)
}

/// Having opened a system account is not enough: it has no floor, so a demoted treasurer could go on making money.
fn may_debit(order: &Order, account: &Account) -> bool {
    match account.kind {
        Kind::User => account.owner == order.caller,
        Kind::System => order.treasurer,
    }
}

fn moved(account: Account, by: i64) -> Account {
    Account { balance: account.balance + by, seq: account.seq + 1, version: account.version + 1, ..account }
}

fn check_accounts(order: &Order, debit: &Account, credit: &Account) -> Result<(), Decline> {
    if debit.currency != order.currency || credit.currency != order.currency {
        return Err(Decline::CurrencyMismatch);
    }
    match (debit.status, credit.status) {
        (Status::Closed, _) => Err(Decline::DebitAccountClosed),
        (_, Status::Closed) => Err(Decline::CreditAccountClosed),
        (Status::Frozen, _) => Err(Decline::DebitAccountFrozen),
        (Status::Open, Status::Open | Status::Frozen) => Ok(()),
    }
}

fn check_preconditions(order: &Order, before: &Account, after: &Posting) -> Result<(), Decline> {
    let Preconditions { debit_balance, credit_balance, debit_version } = order.preconditions;
    let hold = debit_balance.hold(after.debit.balance)
        && credit_balance.hold(after.credit.balance)
        && debit_version.is_none_or(|version| version == before.version);
    if hold { Ok(()) } else { Err(Decline::PreconditionFailed) }
}

fn check_limits(after: &Posting) -> Result<(), Decline> {
    let Posting { debit, credit } = after;
    if credit.ceiling.is_some_and(|ceiling| credit.balance > ceiling) {
        return Err(Decline::LimitExceeded);
    }
    if debit.balance < -MAX_AMOUNT || credit.balance > MAX_AMOUNT {
        return Err(Decline::BalanceOverflow);
    }
    if debit.floor.is_some_and(|floor| debit.balance - debit.held < floor) {
        return Err(Decline::InsufficientFunds);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
