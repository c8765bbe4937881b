//! The database: connecting, migrating, and the entities that everything but the posting engine goes through.

mod connect;
pub mod entity;
pub mod migration;

pub use connect::{Backend, Database, DatabaseError};

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr};
use shared::problem::{Code, Problem};

/// What a client learns of a failed query: 503 when the database is out of reach, else 500. The cause is logged.
#[must_use]
pub fn problem(error: DbErr) -> Problem {
    match &error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Problem::unavailable(Code::DatabaseUnavailable, error),
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            match cause.as_ref() {
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
                    Problem::unavailable(Code::DatabaseUnavailable, error)
                }
                _ => Problem::internal(error),
            }
        }
        _ => Problem::internal(error),
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
