//! The database: connecting, migrating, and the entities that everything but the posting engine goes through.

mod connect;
pub mod entity;
pub mod migration;
mod month;
mod remedy;
mod replica;

pub(crate) use connect::MIGRATION_LOCK;
pub use connect::{Backend, Database, DatabaseError, reader, snapshot};
pub use month::{Month, NoMonth, keep_opening, open_months};
pub use remedy::Remedy;
pub use replica::{Replica, keep_near};

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr};
use shared::problem::{Code, Problem};

/// What a client learns of a failed query: 503 when the database is out of reach or cannot now, so that the same
/// request may succeed later, else 500. The cause is logged.
#[must_use]
pub fn problem(error: DbErr) -> Problem {
    if is_passing(&error) { Problem::unavailable(Code::DatabaseUnavailable, error) } else { Problem::internal(error) }
}

pub(crate) fn is_passing(error: &DbErr) -> bool {
    let cause = match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => return true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => cause,
        _ => return false,
    };
    match cause.as_ref() {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => match Remedy::of(&refusal.code().unwrap_or_default()) {
            Remedy::FoldAgain | Remedy::Wait | Remedy::FindOut => true,
            Remedy::Bisect => false,
        },
        _ => false,
    }
}

/// The code under which the database refused: an SQLSTATE, or SQLite's extended result code as a number.
#[must_use]
pub fn code(error: &DbErr) -> Option<Cow<'_, str>> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            cause.as_database_error().and_then(|refusal| refusal.code())
        }
        _ => None,
    }
}
