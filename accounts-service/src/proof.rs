//! Proof: what has to hold of the ledger, checked from its rows alone by whoever asks (`verify`) and by the service itself,
//! all the time. Nothing here shares the posting core's arithmetic.

mod balances;
mod chain;
pub mod command;
mod exchanges;
mod finding;
mod follow;
pub mod http;
mod invariant;
mod keys;
mod line;
mod metrics;
pub mod model;
mod ops;
mod part;
mod pieces;
mod references;
pub mod report;
mod rows;
pub mod sampler;
mod settled;
mod snapshot;
mod sums;
mod tour;
mod verify;
mod walk;
mod watch;

pub use finding::{Findings, Place, Violation};
pub use invariant::Invariant;
pub use metrics::Metrics;
pub use model::{ChainPlace, InvariantBody, InvariantsBody, NewAcknowledgement, PartBody, ViolationBody};
pub use sampler::{Bounds, Sampler};
pub use snapshot::Snapshot;
pub use verify::{Head, Link, NoLink, Report, Wanted, verify};
