//! The whole service over HTTP, every test once on SQLite and once on PostgreSQL.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod accounts;
mod archive;
mod chain;
mod claims;
mod client;
mod commits;
mod document;
mod doubt;
mod dry_settlements;
mod engine;
mod events;
mod exchange_races;
mod exchanges;
mod expiry;
mod faults;
mod hindered;
mod history;
mod holds;
mod keys;
mod limits;
mod lists;
mod lossy;
mod money;
mod months;
mod narrowed;
mod plans;
mod postgres;
mod process;
mod proof;
mod queries;
mod receipts;
mod recorded;
mod refunds;
mod replica;
mod schema;
mod seen;
mod shapes;
mod stack;
mod standing;
mod standing_runs;
mod standing_stuck;
mod statements;
mod sweeping;
mod unavailable;
mod wording;
mod words;

/// Runs each `async fn(Stack)` as two tests, one per back-end.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $name() {
                $crate::stack::run($crate::stack::Which::Sqlite, super::$name);
            })+
        }
        mod on_postgres {
            $(#[test]
            fn $name() {
                $crate::stack::run($crate::stack::Which::Postgres, super::$name);
            })+
        }
    };
}

/// Runs each `async fn(Stack)` once more with a client that asks two processes on one PostgreSQL in turn.
#[macro_export]
macro_rules! on_two_processes {
    ($($name:ident),+ $(,)?) => {
        mod on_two_processes_and_postgres {
            $(#[test]
            fn $name() {
                $crate::stack::run($crate::stack::Which::Shared, super::$name);
            })+
        }
    };
}
