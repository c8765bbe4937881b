//! What a browser sends to sign in, and what it is told: never a token.

use serde::{Deserialize, Serialize};
use shared::clock::{from_micros, instant};
use shared::config::Secret;
use shared::domain::{SessionId, UserId};
use shared::http::fault::Fault;
use shared::problem::Problem;
use time::OffsetDateTime;

#[cfg(feature = "passkeys")]
use crate::passkeys::Assertion;
use crate::tokens::Granted;

/// Who signs in.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInRequest {
    /// E-mail address or user name.
    #[schema(example = "ada@example.com")]
    pub username: Option<String>,
    /// The password.
    #[schema(example = "correct horse battery 9 staple")]
    pub password: Option<String>,
    /// A code of the second factor, or a recovery code, where there is one.
    #[schema(example = "287082", max_length = 64)]
    pub otp: Option<String>,
    /// A passkey in place of all that: what `JSON.stringify()` makes of the credential that `navigator.credentials.get()`
    /// gives, asked for as `/auth/passkeys/options` says.
    #[cfg(feature = "passkeys")]
    pub credential: Option<String>,
}

/// By what they do.
pub(super) enum Way {
    /// The name, the password, and a code.
    Password(String, Secret, Option<Secret>),
    /// A passkey.
    #[cfg(feature = "passkeys")]
    Passkey(Box<Assertion>),
}

impl SignInRequest {
    /// One way, whole.
    ///
    /// # Errors
    /// 422 with what is missing, or too much.
    pub(super) fn way(self) -> Result<Way, Problem> {
        #[cfg(feature = "passkeys")]
        if let Some(credential) = self.credential {
            let too_much = self.username.is_some() || self.password.is_some() || self.otp.is_some();
            return Assertion::alone(&credential, too_much).map(Way::Passkey);
        }
        // Sent empty, it is not sent: as in the form of the password grant.
        let otp = self.otp.filter(|otp| !otp.is_empty()).map(Secret::from);
        match (self.username, self.password) {
            (Some(username), Some(password)) => Ok(Way::Password(username, Secret::from(password), otp)),
            (username, password) => {
                let absent = [("/username", username.is_none()), ("/password", password.is_none())];
                let absent = absent.into_iter().filter(|(_, absent)| *absent);
                let faults = absent.map(|(pointer, _)| Fault::missing(pointer.to_owned()));
                Err(Fault::problem(faults.collect()))
            }
        }
    }
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
