//! Step-up (RFC 9470): what matters most asks for a proof of a moment ago, and how one gives it without signing in anew.

mod guesses;
pub mod http;
mod prove;
mod require;

pub use guesses::admit;
pub use require::{require, required};

#[cfg(test)]
mod tests;
