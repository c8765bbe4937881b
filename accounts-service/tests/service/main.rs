//! The whole service over HTTP, every test once on SQLite and once on PostgreSQL.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod accounts;
mod claims;
mod client;
mod document;
mod doubt;
mod engine;
mod faults;
mod hindered;
mod keys;
mod lists;
mod lossy;
mod money;
mod postgres;
mod schema;
mod shapes;
mod stack;
mod sweeping;
mod unavailable;
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
