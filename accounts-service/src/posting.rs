//! The posting engine: requests queue, one committer folds whatever queued while the last commit was in flight, and
//! writes it as one transaction (design D4).
//!
//! The tree is the path of a transfer: [`queue`] takes it in, [`committer`] drains a commit batch, [`fold`] decides it
//! through the pure [`core`], [`rows`] is what the fold wants written, and [`postgres`] or [`sqlite`]
//! writes it and answers.

mod chain;
mod command;
mod committer;
pub mod core;
mod doubt;
mod error;
mod exchanges;
mod fold;
mod gather;
mod metrics;
mod outcome;
pub mod outside;
mod postgres;
mod queue;
mod rest;
mod rows;
mod settle;
mod sqlite;

pub use self::core::{
    Account, Asker, Bounds, Command, Decided, Decline, Draft, Effect, Exchange, Exchanged, Halt, Hold, HoldState, Kind,
    Limit, Look, Memo, Need, Newest, Order, Pair, Pending, Posting, Preconditions, Record, Recorded, Refusal,
    SameAccount, Seen, Slice, State, Status, Stop, Window, apply, decide, exchange, lapse,
};
pub use command::{Answer, Failure, KeyDigest, Mode, Unit, Work};
pub use committer::{Committer, start};
pub use exchanges::made_exchange;
pub(crate) use fold::{Judged, atomic_decline};
pub use metrics::{Gauges, Metrics};
pub use outcome::{Done, Outcome};
pub use queue::{Engine, Limits};
