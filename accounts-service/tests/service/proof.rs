//! Proof: what has to hold of the ledger, held against ledgers with everything in them, and against broken ones.

mod again;
mod bounded;
mod breaks;
mod broken;
mod command;
mod lease;
mod long;
mod places;
mod rounds;
mod sampled;
mod shown;
mod sound;
mod standby;
mod world;
