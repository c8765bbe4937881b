//! The token endpoint's answer (RFC 6749, section 5.1).

use serde::{Deserialize, Serialize};

use crate::sessions::Session;

/// What a sign-in or a refresh is worth.
#[derive(Clone, Debug)]
pub struct Granted {
    /// In which session.
    pub session: Session,
    /// The tokens, of which the refresh token is to be carried as the session says.
    pub tokens: TokenAnswer,
}

/// Tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenAnswer {
    /// A JWT to send as `Authorization: Bearer …`.
    #[schema(example = "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTkz….c2lnbmF0dXJl")]
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: String,
    /// How long the access token is good, in seconds.
    #[schema(example = 300)]
    pub expires_in: i64,
    /// Good once, for the next pair. A client's own tokens have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "tgr_AZNvbn1qfDyKPzsfDJ0uEQAAAAAAAAABq83v")]
    pub refresh_token: Option<String>,
    /// Who has signed in, for the client that asked for `openid` (OpenID Connect Core, section 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id_token: Option<String>,
    /// What the tokens may be used for.
    #[schema(example = "api")]
    pub scope: String,
}
