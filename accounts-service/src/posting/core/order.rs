//! A wish to move money, well-formed but not yet judged.

use shared::domain::{AccountId, Amount, Currency, UserId};

use super::Account;

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
    /// Whether the caller may read all accounts, and so ask about the balance of any.
    pub reads_all: bool,
    /// What must hold of the balances that would result.
    pub preconditions: Preconditions,
    /// Whether and for how long money is only held.
    pub pending: Option<Pending>,
}

/// Money is held, and moves when it is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// For so many microseconds; without end when absent.
    pub expires_in: Option<i64>,
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
        let preconditions = Preconditions::default();
        let (treasurer, reads_all) = (false, false);
        Ok(Self { debit, credit, amount, currency, caller, treasurer, reads_all, preconditions, pending: None })
    }

    /// The account that pays.
    #[must_use]
    pub const fn debit(&self) -> AccountId {
        self.debit
    }

    /// Whether the caller may be told what these preconditions tell of the account that receives.
    pub(super) fn may_ask_of(&self, receiver: &Account) -> bool {
        self.reads_all || receiver.owner == self.caller || !self.preconditions.credit_balance.bind()
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
    /// On the credit account's resulting balance. Of an account that the caller may not read none holds: else a dry run after
    /// another, each with a bound, would tell a stranger's balance.
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
    fn bind(self) -> bool {
        self.gte.is_some() || self.lte.is_some()
    }

    pub(super) fn hold(self, value: i64) -> bool {
        self.gte.is_none_or(|least| value >= least) && self.lte.is_none_or(|most| value <= most)
    }
}
