//! Sessions: one per sign-in, carried on by refresh tokens that each work once.

mod opening;
mod proof;
mod refresh_token;
pub mod rotation;
mod store;

pub use opening::Opening;
pub use proof::{proof, prove, strengthen};
pub use refresh_token::RefreshToken;
pub use store::{Session, end, end_all, end_others, find, open, rotate, sweep};

#[cfg(test)]
mod tests;
