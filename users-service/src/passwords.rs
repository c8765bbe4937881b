//! Passwords: what one must look like, and how it is hashed without drowning the machine.

mod blocklist;
mod calibrate;
mod change;
mod hash;
pub mod http;
mod metrics;
mod pool;
mod rules;

pub use change::acceptable;
pub use hash::{HashError, PasswordHash};
pub use pool::{Hasher, Verified};
pub use rules::Password;

#[cfg(test)]
mod tests;
