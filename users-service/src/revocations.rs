//! Revocations: written with the change, told to every gateway right after it, and again whenever they may have missed it.

mod relay;
mod store;

pub use relay::Relay;
pub use store::{record, sweep};

#[cfg(test)]
mod tests;
