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
pub mod standing;

pub use self::checker::{Report, Violation, check};
pub use self::command::{Caller, Command, Mode, Order, Request, Role};
pub use self::generator::{Features, Generator};
pub use self::history::{Answer, History, Recorder, Verdict};
pub use self::model::Ledger;
pub use self::record::Record;

use accounts_service::proof::{self, Wanted};

/// What `accounts-service verify` says of the ledger at `url`, if that is not sound.
///
/// # Panics
/// When it cannot be asked.
pub async fn disproved(url: &str) -> Option<String> {
    let report =
        proof::command::run(url, Wanted { from: None, expect: None, most: 20 }).await.expect("the ledger is read");
    (!report.is_sound()).then(|| report.text())
}
