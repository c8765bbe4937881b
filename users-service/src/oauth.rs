//! OAuth 2 and OpenID Connect for clients: a user's leave by code and PKCE, tokens of a client's own, introspection, ID
//! tokens. What a user does with their own password stands in `tokens`.

mod asked;
pub mod authorize;
mod browser;
mod code;
pub mod consents;
mod decide;
mod id_token;
mod introspect;
mod own;
mod page;
mod pending;
mod refresh;
pub mod scope;
mod shown;
mod store;
mod userinfo;

pub use code::{Redemption, redeem};
pub use introspect::http as introspection;
pub use own::{client_token, give_back, may_give_back};
pub use refresh::refresh;
pub use scope::check;
pub use shown::{Asking, Shown};
pub use store::{end_of_client, end_of_user, sweep};
pub use userinfo::http as user_info;

#[cfg(test)]
mod tests;
