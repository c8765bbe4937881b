//! What happens by mail: confirming an address, moving to another, choosing a new password.

mod ask;
pub mod http;
mod model;
mod reset;
mod send;
mod verify;

pub use reset::reset;
pub use verify::verify;

#[cfg(test)]
mod tests;
