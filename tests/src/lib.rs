//! The whole system in one process, for tests and for people, and what tests need around it.
#![expect(clippy::expect_used, clippy::panic, reason = "a harness fails its test by panicking")]

use std::fmt;
use std::io::Write;

pub mod backends;
pub mod cells;
pub mod chaos;
pub mod client;
pub mod faults;
pub mod ledger;
pub mod mail;
pub mod stack;
pub mod wait;

pub use backends::Backend;
pub use client::{Answer, Client, Person};
pub use stack::Stack;
pub use wait::wait_until;

/// One line for whoever started us; a closed pipe is no reason to fail.
pub fn say(line: impl fmt::Display) {
    drop(writeln!(std::io::stdout(), "{line}"));
}

/// The same, for what went wrong.
pub fn say_error(line: impl fmt::Display) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
