//! What a client may know of the user who has signed in (OpenID Connect Core, section 5.3).

pub mod http;

use serde::{Deserialize, Serialize};
use shared::domain::UserId;

use super::scope::{EMAIL, PROFILE, Scope, WHOLE};
use crate::users::User;

/// The claims that the token's scope allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UserInfo {
    /// The user's id.
    pub sub: UserId,
    /// Name, with the scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ada Lovelace")]
    pub name: Option<String>,
    /// User name, with the scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ada")]
    pub preferred_username: Option<String>,
    /// When any of it last changed, in seconds since the epoch, with the scope `profile`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub updated_at: Option<i64>,
    /// E-mail address, with the scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ada@example.com")]
    pub email: Option<String>,
    /// Whether the address has been shown to be theirs, with the scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email_verified: Option<bool>,
}

impl UserInfo {
    /// Of a user, to whoever has this scope.
    pub(super) fn of(user: User, scope: &Scope) -> Self {
        let may = |word| scope.has(word) || scope.has(WHOLE);
        let (profile, email) = (may(PROFILE), may(EMAIL));
        Self {
            sub: user.id,
            name: user.name.filter(|_| profile),
            preferred_username: profile.then_some(user.username),
            updated_at: profile.then(|| user.updated_at.unix_timestamp()),
            email: email.then_some(user.email),
            email_verified: email.then_some(user.email_verified),
        }
    }
}
