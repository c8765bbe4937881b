//! What a browser sends to sign in, and what it is told: never a token.

use serde::{Deserialize, Serialize};
use shared::clock::{from_micros, instant};
use shared::domain::{SessionId, UserId};
use time::OffsetDateTime;

use crate::tokens::Granted;

/// Who signs in.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// E-mail address or user name.
    #[schema(example = "ada@example.com")]
    pub username: String,
    /// The password.
    #[schema(example = "correct horse battery 9 staple")]
    pub password: String,
    /// A code of the second factor, or a recovery code, where there is one.
    #[schema(example = "287082", max_length = 64)]
    pub otp: Option<String>,
}

/// The session in a browser's cookies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = CookieSession)]
pub struct CookieSessionView {
    /// The session.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it may be used for.
    #[schema(example = "api")]
    pub scope: String,
    /// How long the access token in the cookie is good, in seconds. Refresh it before, or when something answers 401.
    #[schema(example = 300)]
    pub expires_in: i64,
    /// When the session ends, however often it is refreshed.
    #[serde(with = "instant")]
    pub expires_at: OffsetDateTime,
}

impl From<&Granted> for CookieSessionView {
    fn from(granted: &Granted) -> Self {
        let Granted { session, tokens } = granted;
        Self {
            id: session.id,
            user_id: session.user,
            scope: session.scope.clone(),
            expires_in: tokens.expires_in,
            expires_at: from_micros(session.state.expires_at),
        }
    }
}
