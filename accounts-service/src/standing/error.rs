//! What an operation on a standing order can end with, apart from success.

use sea_orm::DbErr;
use shared::problem::{Code, Problem};

use super::model::Corrupt;
use crate::db;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// There is no such order for this caller.
    #[error("no such standing order")]
    NotFound,
    /// The caller sees the order, but may not do this to it.
    #[error("not allowed")]
    Forbidden,
    /// An officer has paused it, and only one of them lifts that.
    #[error("paused by an officer")]
    OfficersPause,
    /// It has ended or was cancelled, for ever.
    #[error("the standing order is over")]
    Over,
    /// The owner has as many as one may have.
    #[error("too many standing orders")]
    TooMany,
    /// None of its dates is still to come.
    #[error("no date is to come")]
    NoDate,
    /// `If-Match` named another version.
    #[error("{0}")]
    Stale(Problem),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// A row holds what was never written.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

impl From<StandingError> for Problem {
    fn from(error: StandingError) -> Self {
        match error {
            StandingError::NotFound => Self::new(Code::NotFound),
            StandingError::Forbidden => Self::new(Code::Forbidden),
            StandingError::OfficersPause => {
                Self::new(Code::Forbidden).detail("An officer has paused the standing order, and lifts that.")
            }
            StandingError::Over => Self::new(Code::StateConflict).detail("The standing order is over."),
            StandingError::TooMany => Self::new(Code::StateConflict).detail("There are too many standing orders."),
            StandingError::NoDate => Self::new(Code::ValidationFailed).error(
                "/starts_on",
                "no_date",
                "by this rule no date is still to come",
            ),
            StandingError::Stale(problem) => problem,
            StandingError::Database(error) => db::problem(error),
            StandingError::Corrupt(error) => Self::internal(error),
        }
    }
}
