//! The audit: every security event in the transaction of what it tells of, chained by hash, shown to administrators.

mod calls;
mod chain;
mod event;
pub mod http;
mod journal;
mod kind;
mod list;
mod model;
mod refused;
mod scribe;
mod store;
mod taken;
mod tally;
mod verify;

pub use calls::refusals;
pub use event::{By, Event};
pub use journal::Journal;
pub use kind::Kind;
pub use refused::Refusal;
pub use store::{append, forget, sweep};
pub use tally::Tally;
pub use verify::{Place, Verdict, verify};

#[cfg(test)]
mod tests;
