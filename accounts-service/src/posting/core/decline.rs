//! Why a command changes nothing.

use shared::problem::{Code, Problem};

use super::state::Need;

/// Why a transfer was declined, in the contract's order of checks: an earlier one hides a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decline {
    /// The caller may read no such transfer.
    TransferNotFound,
    /// The caller may read the transfer, but not do this to it.
    Forbidden,
    /// The transfer no longer stands as the caller has seen it.
    Stale,
    /// The transfer was never pending, or is settled.
    TransferNotPending,
    /// The transfer has let go of its hold.
    TransferExpired,
    /// The transfer has not moved money, or is a reversal itself.
    TransferNotPosted,
    /// Less is held.
    AmountExceedsPending,
    /// Less is left of the original.
    AmountExceedsOriginal,
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
    /// Another transfer of the debit account's owner has this reference.
    ExternalRefTaken,
    /// A precondition does not hold.
    PreconditionFailed,
    /// The debit account would pass a velocity limit, or the credit account its ceiling.
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
            Self::TransferNotFound => Code::NotFound,
            Self::Forbidden => Code::Forbidden,
            Self::Stale => Code::StalePrecondition,
            Self::TransferNotPending => Code::TransferNotPending,
            Self::TransferExpired => Code::TransferExpired,
            Self::TransferNotPosted => Code::TransferNotPosted,
            Self::AmountExceedsPending => Code::AmountExceedsPending,
            Self::AmountExceedsOriginal => Code::AmountExceedsOriginal,
            Self::DebitAccountNotFound => Code::DebitAccountNotFound,
            Self::CreditAccountNotFound => Code::CreditAccountNotFound,
            Self::CurrencyMismatch => Code::CurrencyMismatch,
            Self::DebitAccountClosed => Code::DebitAccountClosed,
            Self::CreditAccountClosed => Code::CreditAccountClosed,
            Self::DebitAccountFrozen => Code::DebitAccountFrozen,
            Self::ExternalRefTaken => Code::ExternalRefTaken,
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

/// Why a command was not decided in its favour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was judged, and declined.
    Declined(Decline),
    /// It was not judged: the state does not know this yet.
    Missing(Need),
}

impl From<Decline> for Stop {
    fn from(decline: Decline) -> Self {
        Self::Declined(decline)
    }
}

impl From<Need> for Stop {
    fn from(need: Need) -> Self {
        Self::Missing(need)
    }
}

impl From<Stop> for Problem {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Declined(decline) => decline.into(),
            Stop::Missing(need) => Self::internal(format!("decided without {need:?}")),
        }
    }
}
