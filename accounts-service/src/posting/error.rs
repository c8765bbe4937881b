//! What can go wrong with a commit batch, sorted by what has to be done about it.

use sqlx::error::DatabaseError;

use crate::db::Remedy;

/// What is no longer as it was folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// A key is taken.
    Key,
    /// An account, or what it guards.
    Account,
    /// Time: what was decided has lapsed.
    Instant,
    /// A reference was taken, or two transactions stood in each other's way.
    Other,
}

impl Moved {
    fn of(refusal: &dyn DatabaseError) -> Self {
        match refusal.code().as_deref() {
            Some("TG001") => Self::Key,
            Some("TG002") => Self::Account,
            Some("TG003") => Self::Instant,
            Some(_) | None => Self::Other,
        }
    }
}

/// The constraint that keeps one outcome per key.
const KEYS: &str = "transfer_keys_pkey";
/// The constraint that keeps one transfer per reference of an owner's.
const REFERENCES: &str = "external_refs_pkey";

/// A commit that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    /// Nothing was written, and the same batch may pass when folded again from what the database holds now.
    #[error("the batch was folded from what is no longer true: {0:?}")]
    Stale(Moved),
    /// Nothing was written, and no fault of the batch's: the database cannot take any now. The same batch again, after
    /// a pause and on a new connection, because the next server may be the one that can.
    #[error("the database takes no batch now: {0}")]
    Hindered(#[source] sqlx::Error),
    /// The connection broke: whether the batch was committed is unknown, and running it again finds out by its keys.
    #[error("the connection broke: {0}")]
    Lost(#[source] sqlx::Error),
    /// The database refused, and will again: some part of the batch is at fault.
    #[error("the database refused: {0}")]
    Refused(#[source] sqlx::Error),
    /// A row does not hold what only we could have written.
    #[error("the database holds what was never written: {0}")]
    Corrupt(&'static str),
}

impl CommitError {
    /// Whether the connection can run the next attempt once it has rolled back.
    pub const fn leaves_connection(&self) -> bool {
        match self {
            Self::Stale(_) | Self::Refused(_) | Self::Corrupt(_) => true,
            Self::Hindered(_) | Self::Lost(_) => false,
        }
    }
}

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(refusal) = &error else {
            // Everything that is no answer of the database leaves open what it did.
            return Self::Lost(error);
        };
        match Remedy::of(&refusal.code().unwrap_or_default()) {
            Remedy::FoldAgain => Self::Stale(Moved::of(refusal.as_ref())),
            Remedy::Bisect if refusal.constraint() == Some(KEYS) => Self::Stale(Moved::Key),
            Remedy::Bisect if refusal.constraint() == Some(REFERENCES) => Self::Stale(Moved::Other),
            Remedy::Wait => Self::Hindered(error),
            Remedy::FindOut => Self::Lost(error),
            Remedy::Bisect => Self::Refused(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_of_the_database_leaves_open_what_it_did() {
        for error in [sqlx::Error::Io(std::io::ErrorKind::BrokenPipe.into()), sqlx::Error::WorkerCrashed] {
            assert!(matches!(CommitError::from(error), CommitError::Lost(_)));
        }
    }
}
