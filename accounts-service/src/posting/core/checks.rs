//! The order of checks (contract, section 5), as one table: the first that fails is the answer. The code follows it,
//! the document lists it, and the tests compare both.

use shared::problem::Code;

/// A transfer, alone, as an item of a batch, or as a dry run. The first two are judged without any account.
pub const TRANSFER: [Code; 13] = [
    Code::AmountOutOfRange,
    Code::AccountsMustBeDifferent,
    Code::DebitAccountNotFound,
    Code::CreditAccountNotFound,
    Code::CurrencyMismatch,
    Code::DebitAccountClosed,
    Code::CreditAccountClosed,
    Code::DebitAccountFrozen,
    Code::ExternalRefTaken,
    Code::PreconditionFailed,
    Code::LimitExceeded,
    Code::BalanceOverflow,
    Code::InsufficientFunds,
];

/// An exchange, alone or as a quote. The first two are judged without any account; what comes after the rate's own accounts
/// is said of what is paid first, then of what is received, then of what rounding books.
pub const EXCHANGE: [Code; 15] = [
    Code::AmountOutOfRange,
    Code::AccountsMustBeDifferent,
    Code::DebitAccountNotFound,
    Code::CreditAccountNotFound,
    Code::CurrenciesMustBeDifferent,
    Code::NoExchangeRate,
    Code::ExchangeRateChanged,
    Code::ExchangeAmountUnpayable,
    Code::ExchangeWithRateAccount,
    Code::DebitAccountClosed,
    Code::CreditAccountClosed,
    Code::DebitAccountFrozen,
    Code::LimitExceeded,
    Code::BalanceOverflow,
    Code::InsufficientFunds,
];

/// Posting what is held. The first is judged without any account.
pub const POST: [Code; 11] = [
    Code::AmountOutOfRange,
    Code::NotFound,
    Code::Forbidden,
    Code::StalePrecondition,
    Code::TransferNotPending,
    Code::TransferExpired,
    Code::AmountExceedsPending,
    Code::CreditAccountClosed,
    Code::DebitAccountFrozen,
    Code::LimitExceeded,
    Code::BalanceOverflow,
];

/// Letting go of what is held.
pub const VOID: [Code; 5] =
    [Code::NotFound, Code::Forbidden, Code::StalePrecondition, Code::TransferNotPending, Code::TransferExpired];

/// Paying a posted transfer back: who received it pays. The first is judged without any account.
pub const REVERSE: [Code; 12] = [
    Code::AmountOutOfRange,
    Code::NotFound,
    Code::Forbidden,
    Code::StalePrecondition,
    Code::TransferNotPosted,
    Code::AmountExceedsOriginal,
    Code::DebitAccountClosed,
    Code::CreditAccountClosed,
    Code::DebitAccountFrozen,
    Code::LimitExceeded,
    Code::BalanceOverflow,
    Code::InsufficientFunds,
];
