//! An independent model of the ledger, what asks it questions, and what judges the answers.
//!
//! Nothing here knows the service's code: the rules are written once more, from the contract. `model` and `checker`
//! take no clock and no I/O; `driver` speaks HTTP, and `record` reads what a database holds.

pub mod checker;
pub mod command;
pub mod driver;
pub mod generator;
pub mod history;
pub mod model;
pub mod record;

pub use self::checker::{Report, Violation, check};
pub use self::command::{Caller, Command, Mode, Order, Request, Role};
pub use self::generator::{Features, Generator};
pub use self::history::{Answer, History, Recorder, Verdict};
pub use self::model::Ledger;
pub use self::record::Record;
