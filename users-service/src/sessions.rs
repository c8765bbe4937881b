//! Sessions: one per sign-in, carried on by refresh tokens that each work once.

mod of_client;
mod opening;
mod refresh_token;
pub mod rotation;
mod store;

pub use of_client::end_of_client;
pub use opening::Opening;
pub use refresh_token::RefreshToken;
pub use store::{Session, end, end_all, end_others, find, open, proof, rotate, sweep};

#[cfg(test)]
mod tests;
