//! The pure core of the ledger: what may happen to accounts, decided without a clock, a database or a network.
//!
//! A [`Draft`] carries a [`Command`], which [`decide()`] judges on a [`State`] in the order that [`checks`] lists. What it
//! does is an [`Effect`], which [`apply`] puts into the state. A state that does not know enough says what is missing and decides
//! nothing.

mod account;
mod besides;
pub mod checks;
mod command;
mod decide;
mod decline;
mod draft;
mod effect;
mod exchange;
mod holds;
mod judge;
mod order;
mod reversals;
mod seen;
mod settlement;
mod state;
mod table;
mod velocity;

pub use account::{Account, Kind, Status};
pub use besides::{Besides, Reference, Reversal};
pub use command::{Asker, Command};
pub use decide::{apply, decide, lapse};
pub use decline::{Decline, Stop};
pub use draft::{Decided, Draft, Memo};
pub use effect::{Effect, Posting, Record, Recorded};
pub use exchange::{Exchange, Exchanged, Halt, Newest, Pair, Refusal, exchange};
pub use holds::{Hold, HoldState, Lapsed, Standing};
pub use order::{Bounds, Order, Pending, Preconditions, SameAccount};
pub use seen::{Look, Seen};
pub use state::{Mark, Need, State};
pub use table::{Known, Table};
pub use velocity::{Limit, Slice, Used, Window};

#[cfg(test)]
mod tests;
