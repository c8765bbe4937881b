//! Velocity limits of an account: how much may go out of it, and how often, in any stretch of time so long.

pub mod http;
mod model;
mod ops;
mod store;

pub use model::{LimitBody, Limits, NewLimit, NewLimits, UsedBody};
