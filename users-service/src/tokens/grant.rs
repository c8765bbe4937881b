//! The token request: which grant, with what.

use shared::config::Secret;
use shared::http::Form;
#[cfg(feature = "passkeys")]
use shared::problem::{Code, Problem};

use super::error::GrantError;
use crate::oauth::scope::{self, Scope};
#[cfg(feature = "passkeys")]
use crate::passkeys::Assertion;

/// The scope of a user's own sessions: everything the user may do.
pub const SCOPE: &str = scope::WHOLE;

/// An extension's grant (RFC 6749, section 4.5): somebody has used a passkey.
#[cfg(feature = "passkeys")]
pub const PASSKEY: &str = "urn:tollgate:params:oauth:grant-type:passkey";

/// What is offered for a token.
#[derive(Debug)]
pub enum Grant {
    /// RFC 6749, section 4.3.
    Password {
        /// E-mail address or user name.
        identifier: String,
        /// The password.
        password: Secret,
        /// A code of the second factor, or a recovery code.
        otp: Option<Secret>,
    },
    /// What a browser gives when somebody uses a passkey.
    #[cfg(feature = "passkeys")]
    Passkey(Box<Assertion>),
    /// RFC 6749, section 6.
    Refresh {
        /// The token.
        token: String,
        /// What the new tokens are to be good for, if not for all that the old ones were.
        scope: Option<Scope>,
    },
    /// RFC 6749, section 4.4.
    ClientCredentials {
        /// What the token is to be good for, if not for all that the client may.
        scope: Option<Scope>,
    },
    /// RFC 6749, section 4.1.3, and RFC 7636, section 4.5.
    Code {
        /// The code.
        code: String,
        /// Where it was sent to.
        redirect_uri: String,
        /// What the request's challenge was made of.
        verifier: String,
    },
}

impl Grant {
    /// Reads the form; what else it holds is ignored.
    ///
    /// # Errors
    /// 400 in RFC 6749's words.
    pub fn parse(form: &Form) -> Result<Self, GrantError> {
        let scope = || form.get("scope").map(|text| Scope::parse(text).ok_or(GrantError::Scope)).transpose();
        let whole = || match scope()?.is_none_or(|asked| asked == Scope::stored(SCOPE)) {
            true => Ok(()),
            false => Err(GrantError::Scope),
        };
        let grant = match form.require("grant_type")? {
            "password" => {
                let identifier = form.require("username")?.to_owned();
                whole()?;
                let password = Secret::from(form.require("password")?.to_owned());
                let otp = form.get("otp").map(|otp| Secret::from(otp.to_owned()));
                Self::Password { identifier, password, otp }
            }
            #[cfg(feature = "passkeys")]
            PASSKEY => {
                let assertion = Assertion::parse(form.require("credential")?);
                whole()?;
                Self::Passkey(Box::new(assertion.ok_or_else(no_credential)?))
            }
            "refresh_token" => Self::Refresh { token: form.require("refresh_token")?.to_owned(), scope: scope()? },
            "client_credentials" => Self::ClientCredentials { scope: scope()? },
            "authorization_code" => Self::Code {
                code: form.require("code")?.to_owned(),
                redirect_uri: form.require("redirect_uri")?.to_owned(),
                verifier: form.require("code_verifier")?.to_owned(),
            },
            _ => return Err(GrantError::UnsupportedType),
        };
        Ok(grant)
    }
}

#[cfg(feature = "passkeys")]
fn no_credential() -> Problem {
    let detail = "The parameter credential is not what JSON.stringify() makes of a passkey that was used.";
    Problem::new(Code::InvalidRequest).detail(detail).oauth("invalid_request")
}
