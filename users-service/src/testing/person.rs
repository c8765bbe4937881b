//! Somebody registered and signed in.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use shared::auth::User;
use shared::domain::UserId;

use super::answer::Answer;
use crate::tokens::Claims;

/// Everybody's password; it keeps every rule.
pub const PASSWORD: &str = "correct horse battery 9 staple";

/// Who they are and what their tokens say.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: UserId,
    pub email: String,
    pub refresh_token: String,
    pub claims: Claims,
}

impl Person {
    /// From the token endpoint's answer. The signature is the gateway's business.
    pub fn of(email: &str, tokens: &Answer) -> Self {
        let refresh_token = tokens.json()["refresh_token"].as_str().unwrap_or_default().to_owned();
        Self::with(email, &tokens.text("/access_token"), refresh_token)
    }

    /// Who holds these.
    pub fn with(email: &str, token: &str, refresh_token: String) -> Self {
        let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Claims = serde_json::from_slice(&payload).unwrap();
        Self { id: claims.sub, email: email.to_owned(), refresh_token, claims }
    }

    /// As the gateway would vouch for them.
    pub fn user(&self) -> User {
        let Claims { sub, sid, roles, permissions, ref scope, ver, .. } = self.claims;
        User { id: sub, session: Some(sid), api_key: None, roles, permissions, scope: scope.clone(), ver }
    }
}
