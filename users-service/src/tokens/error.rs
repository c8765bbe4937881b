//! Why there is no token, in the words of RFC 6749, section 5.2.

use std::time::Duration;

use shared::problem::{Code, Problem};

use crate::db::Fault;
use crate::users::Status;

/// What a client that tried HTTP Basic is told (RFC 6749, section 5.2).
const BASIC: &str = "Basic realm=\"tollgate\"";
use crate::mfa::Refused;

/// Every way in which a grant fails.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// Wrong credentials or token, of whatever kind: which, is nobody's business.
    #[error("invalid grant")]
    Invalid,
    /// The password is right, and its user is shut out: only they learn of it.
    #[error("not active")]
    NotActive(Status),
    /// The password is right, and nobody signs in before their address is confirmed.
    #[error("e-mail address not verified")]
    EmailNotVerified,
    /// The password is right, and a code of the second factor was not sent.
    #[error("a second factor is needed")]
    MfaRequired,
    /// The password was replaced while it was being checked.
    #[error("the password was replaced meanwhile")]
    Changed,
    /// The client is not known, or has not shown that it is who it says. `basic`: it tried to by HTTP Basic.
    #[error("invalid client")]
    InvalidClient {
        /// Whether it is answered in the same way.
        basic: bool,
    },
    /// The client may not ask for a token in this way.
    #[error("unauthorized client")]
    UnauthorizedClient,
    /// A grant type that is not served.
    #[error("unsupported grant type")]
    UnsupportedType,
    /// A scope that is not served, or more than was granted.
    #[error("invalid scope")]
    Scope,
    /// Too many failures for this identifier from this address.
    #[error("too many sign-ins")]
    Throttled(Duration),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Fault),
    /// Anything that is a problem already: a missing parameter, no room for hashing, a fault of ours.
    #[error(transparent)]
    Other(#[from] Problem),
}

impl From<Refused> for GrantError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Missing => Self::MfaRequired,
            Refused::Wrong => Self::Invalid,
            Refused::Throttled(wait) => Self::Throttled(wait),
            Refused::Database(fault) => Self::Database(fault),
            Refused::Other(problem) => Self::Other(problem),
        }
    }
}

impl From<GrantError> for Problem {
    fn from(error: GrantError) -> Self {
        let problem = match error {
            GrantError::Invalid | GrantError::Changed => return Self::new(Code::InvalidGrant).oauth("invalid_grant"),
            GrantError::NotActive(status) => {
                return Self::new(Code::InvalidGrant).detail(told(status)).oauth("invalid_grant");
            }
            GrantError::EmailNotVerified => return Self::new(Code::EmailNotVerified).oauth("email_not_verified"),
            GrantError::InvalidClient { basic } => {
                let problem = Self::new(Code::InvalidClient).oauth("invalid_client");
                return if basic { problem.challenge(BASIC) } else { problem };
            }
            GrantError::UnauthorizedClient => {
                return Self::new(Code::UnauthorizedClient).oauth("unauthorized_client");
            }
            GrantError::MfaRequired => return Self::new(Code::MfaRequired).oauth("mfa_required"),
            GrantError::UnsupportedType => {
                return Self::new(Code::UnsupportedGrantType).oauth("unsupported_grant_type");
            }
            GrantError::Scope => return Self::new(Code::InvalidScope).oauth("invalid_scope"),
            GrantError::Throttled(wait) => Self::new(Code::RateLimited)
                .detail("Too many attempts to sign in; wait before the next.")
                .retry_after(wait),
            GrantError::Database(fault) => Self::from(fault),
            GrantError::Other(problem) => problem,
        };
        problem.at_oauth_endpoint()
    }
}

/// For whoever has shown that they are that user.
const fn told(status: Status) -> &'static str {
    match status {
        Status::Active => "The account is active again; sign in once more.",
        Status::Disabled => "The account is disabled. An administrator can enable it.",
        Status::Deleted => "The account is deleted. For a time an administrator can restore it.",
    }
}
