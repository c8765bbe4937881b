//! The posting engine: requests queue, one committer folds whatever queued while the last commit was in flight, and
//! writes it as one transaction (design D4).
//!
//! The tree is the path of a transfer: [`queue`] takes it in, [`committer`] drains a commit batch, [`fold`] decides it
//! through the pure [`mod@apply`] on a [`state`], [`rows`] is what the fold wants written, and [`postgres`] or [`sqlite`]
//! writes it and answers.

pub mod apply;
mod chain;
mod command;
mod committer;
mod doubt;
mod error;
mod fold;
mod metrics;
mod postgres;
mod queue;
mod rows;
mod settle;
mod sqlite;
pub mod state;

pub use apply::{Bounds, Decline, Order, Posting, Preconditions, SameAccount, apply, decide};
pub use command::{Answer, Draft, Failure, KeyDigest, Mode, Outcome, Unit, Work};
pub use committer::{Committer, start};
pub(crate) use fold::{Decided, atomic_decline, decide_items};
pub use metrics::Metrics;
pub use queue::{Engine, Limits};
pub use rows::Found;
pub use state::{Account, Kind, State, Status};
