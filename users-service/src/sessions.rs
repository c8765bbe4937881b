//! Sessions: one per sign-in, carried on by refresh tokens that each work once.

mod opening;
mod refresh_token;
pub mod rotation;
mod store;

pub use opening::Opening;
pub use refresh_token::RefreshToken;
pub use store::{Session, end, end_all, end_others, find, forget, open, rotate, sweep};

#[cfg(test)]
mod tests;
