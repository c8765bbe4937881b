//! The token request: which grant, with what.

use shared::config::Secret;
use shared::http::Form;

use super::error::GrantError;

/// The one scope there is: everything the user may do. API keys narrow it.
pub const SCOPE: &str = "api";

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
    /// RFC 6749, section 6.
    Refresh {
        /// The token.
        token: String,
    },
}

impl Grant {
    /// Reads the form; what else it holds is ignored.
    ///
    /// # Errors
    /// 400 in RFC 6749's words.
    pub fn parse(form: &Form) -> Result<Self, GrantError> {
        let grant = match form.require("grant_type")? {
            "password" => {
                let identifier = form.require("username")?.to_owned();
                let password = Secret::from(form.require("password")?.to_owned());
                let otp = form.get("otp").map(|otp| Secret::from(otp.to_owned()));
                Self::Password { identifier, password, otp }
            }
            "refresh_token" => Self::Refresh { token: form.require("refresh_token")?.to_owned() },
            _ => return Err(GrantError::UnsupportedType),
        };
        let asked = form.get("scope").unwrap_or(SCOPE);
        if asked.split(' ').all(|scope| scope == SCOPE) { Ok(grant) } else { Err(GrantError::Scope) }
    }
}
