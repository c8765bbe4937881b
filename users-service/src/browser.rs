//! Browsers' sessions: the tokens are in cookies that no page can read, and only the gateway and this service see.

mod cookies;
pub mod http;
mod model;
mod ops;
mod visitor;

// The authorization endpoint's pages sign in, and ask who is signed in.
#[cfg_attr(not(test), expect(unused_imports, reason = "the authorization endpoint comes on another branch"))]
pub use {cookies::given, visitor::signed_in};

#[cfg(test)]
mod tests;
