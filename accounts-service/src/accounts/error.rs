//! What an operation on an account can end with, apart from success.

use sea_orm::DbErr;
use shared::problem::{Code, Problem};

use crate::db;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account for this caller.
    #[error("no such account")]
    NotFound,
    /// The caller sees the account, but may not do this to it.
    #[error("not allowed")]
    Forbidden,
    /// The account is closed, for ever.
    #[error("the account is closed")]
    Closed,
    /// Only an empty account closes.
    #[error("the account is not empty")]
    NotEmpty,
    /// The balance, or what is available of it, does not keep the bounds that are wished for.
    #[error("the balance is out of these bounds")]
    OutOfBounds,
    /// The caller has as many accounts as one may have.
    #[error("the caller has {0} accounts")]
    TooMany(u32),
    /// `If-Match` named another version.
    #[error("{0}")]
    Stale(Problem),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotFound => Self::new(Code::NotFound),
            AccountError::Forbidden => Self::new(Code::Forbidden),
            AccountError::Closed => Self::new(Code::StateConflict).detail("The account is closed."),
            AccountError::OutOfBounds => Self::new(Code::StateConflict)
                .detail("The account's balance or what is available is out of these bounds."),
            AccountError::NotEmpty => Self::new(Code::AccountNotEmpty),
            AccountError::TooMany(most) => Self::new(Code::TooManyAccounts)
                .detail(format!("A user may have {most} accounts, closed ones included.")),
            AccountError::Stale(problem) => problem,
            AccountError::Database(error) => db::problem(error),
        }
    }
}
