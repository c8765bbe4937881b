//! Sessions: one per sign-in, carried on by refresh tokens that each work once.

mod agent;
mod close;
pub mod http;
mod living;
mod metrics;
mod model;
mod of_client;
mod opening;
mod ops;
mod proof;
mod refresh_token;
pub mod rotation;
mod rotator;
mod settings;
mod store;

pub use agent::Agent;
pub use close::close;
pub use living::bound;
pub use metrics::{RefreshMetrics, Refreshed};
pub use of_client::{end_of_client, last_used_by, of_client};
pub use opening::{Carrier, Opening};
pub use proof::{Proof, proof, prove, strengthen};
pub use refresh_token::RefreshToken;
pub use rotator::{Presented, QUEUE, Rotator};
pub use settings::check;
pub use store::{Session, end_all, end_others, find, open, rotate, sweep};

#[cfg(test)]
mod tests;
