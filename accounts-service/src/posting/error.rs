//! What can go wrong with a commit batch, sorted by what has to be done about it.

/// A commit that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    /// Nothing was written, and the same batch may pass when folded again from what the database holds now: a key was
    /// taken, an account or the chain moved on, or two transactions stood in each other's way.
    #[error("the batch was folded from what is no longer true")]
    Stale,
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

/// Our own refusals in `post_batch`, and PostgreSQL's serialization failure, deadlock and lock timeout.
const STALE: [&str; 6] = ["TG001", "TG002", "TG003", "40001", "40P01", "55P03"];

/// SQLite's BUSY and BUSY_SNAPSHOT: another process holds the write lock for longer than the busy timeout.
const SQLITE_BUSY: [&str; 2] = ["5", "517"];

/// PostgreSQL's classes of lost connections (08) and of a server that goes down (57P).
const LOST: [&str; 2] = ["08", "57P"];

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(refusal) = &error else {
            // Everything that is no answer of the database leaves open what it did.
            return Self::Lost(error);
        };
        let code = refusal.code().unwrap_or_default();
        if STALE.contains(&code.as_ref()) || SQLITE_BUSY.contains(&code.as_ref()) {
            Self::Stale
        } else if LOST.iter().any(|class| code.starts_with(class)) {
            Self::Lost(error)
        } else {
            Self::Refused(error)
        }
    }
}
