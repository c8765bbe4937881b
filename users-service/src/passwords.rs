//! Passwords: what one must look like, and how it is hashed without drowning the machine.

mod blocklist;
mod calibrate;
mod change;
mod floor;
mod foreign;
mod hash;
pub mod http;
mod metrics;
mod pool;
mod rules;
mod scheme;

pub use change::acceptable;
pub use floor::watch;
pub use foreign::{Customs, Foreign};
pub use hash::{HashError, PasswordHash};
pub use pool::{Hasher, Judged, Verified, give_way};
pub use rules::Password;

#[cfg(test)]
mod tests;
