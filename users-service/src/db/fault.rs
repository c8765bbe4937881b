//! What went wrong below, sorted into what a client may learn: unavailable, taken, or nothing at all.

use std::fmt;

use sea_orm::{DbErr, RuntimeErr, SqlErr};
use shared::problem::{Code, Problem};

/// A failed database call. Its text is for the log; no part of it reaches a client.
#[derive(Clone, Debug)]
pub struct Fault(DbErr);

impl Fault {
    /// The process ends before the database could be asked.
    #[must_use]
    pub fn ending() -> Self {
        Self(DbErr::Conn(RuntimeErr::Internal("the process ends".to_owned())))
    }

    /// The database has not answered in time.
    #[must_use]
    pub fn late() -> Self {
        Self(DbErr::Conn(RuntimeErr::Internal("no answer in time".to_owned())))
    }

    /// Whether a unique index that contains `column` refused the row.
    #[must_use]
    pub fn violates(&self, column: &str) -> bool {
        matches!(self.0.sql_err(), Some(SqlErr::UniqueConstraintViolation(text)) if text.contains(column))
    }

    /// Whether another transaction held a row for longer than this one would wait.
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        self.code().is_some_and(|code| code == "55P03")
    }

    /// Whether the database is gone, full, or too busy: the same request may succeed later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match &self.0 {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => true,
            DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => match &**error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => true,
                sqlx::Error::Database(error) => error.code().is_some_and(|code| is_transient(&code)),
                _ => false,
            },
            _ => false,
        }
    }

    fn code(&self) -> Option<String> {
        match &self.0 {
            DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => match &**error {
                sqlx::Error::Database(error) => error.code().map(std::borrow::Cow::into_owned),
                _ => None,
            },
            _ => None,
        }
    }
}

/// PostgreSQL's classes for a lost, refusing, full or contended server (its appendix A); SQLite's primary result codes
/// for busy, locked, read-only, I/O error, full and cannot open, which are the low byte of the extended ones.
fn is_transient(code: &str) -> bool {
    const POSTGRES: [&str; 7] = ["08", "53", "57P", "58", "40", "55P03", "25006"];
    const SQLITE: [u32; 6] = [5, 6, 8, 10, 13, 14];
    if code.len() == 5 {
        return POSTGRES.iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Self(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        if fault.is_unavailable() {
            return Self::unavailable(Code::DatabaseUnavailable, fault);
        }
        Self::internal(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::is_transient;

    #[test]
    fn a_lost_or_busy_database_may_come_back_and_a_wrong_statement_does_not() {
        for code in ["08006", "57P01", "53300", "40001", "40P01", "55P03", "5", "517", "261", "1546", "13"] {
            assert!(is_transient(code), "{code}");
        }
        for code in ["42601", "23505", "22001", "1", "2067", "1555", "787"] {
            assert!(!is_transient(code), "{code}");
        }
    }
}
