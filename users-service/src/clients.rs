//! OAuth clients: programs that administrators let ask for tokens, for themselves or on behalf of users.

mod admit;
pub mod http;
mod model;
mod ops;
mod redirect;
mod request;
mod secret;
mod store;
mod view;

pub use model::{Client, GrantType, Kind};
pub use redirect::{is_anybodys, is_registered, origin, with};
pub use secret::{Digest as SecretDigest, Secret};
pub use store::{find, names, renew, share};

#[cfg(test)]
mod tests;
