//! Standing orders: payments that are due by a rule of the calendar, each date of it paid at most once.
//!
//! [`calendar`] says when, [`attempt`] is one try at one date, [`progress`] what its outcome makes of the order, and
//! [`worker`] does it, through the posting engine's ordinary queue.

pub mod attempt;
mod body;
pub mod calendar;
mod error;
pub mod http;
mod model;
mod ops;
mod progress;
pub mod rule;
mod store;
pub mod worker;

pub use body::{NewStandingOrder, Retries, StandingOrderPatch, Switch};
pub use error::StandingError;
pub use model::{RunBody, StandingOrderBody};
pub use progress::Outcome;
