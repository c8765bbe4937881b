//! OAuth 2.0: what a sign-in or a refresh is worth, how it is given back, and what the world is told about it.

mod access;
mod attempt;
mod error;
mod grant;
pub mod http;
mod metadata;
mod model;
mod password;
mod refresh;
mod revoke;

pub use access::{Claims, Issuer};
#[cfg(feature = "passkeys")]
pub use attempt::attempted;
pub use error::GrantError;
pub use model::{Granted, TokenAnswer};
pub use password::{Proof, Proven, prove, sign_in, tokens_for};
#[cfg(feature = "passkeys")]
pub use password::{may_enter, open};
pub use refresh::refresh;
pub use revoke::{Ending, end_session};

#[cfg(test)]
mod tests;
