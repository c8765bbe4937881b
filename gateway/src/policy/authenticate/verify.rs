//! One token against the issuer's keys and rules (RFC 7519, RFC 8725, RFC 9068). Everything not said is refused.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use shared::auth::User;
use shared::domain::{Roles, SessionId, UserId};

use super::keys::{KeySet, algorithm};
use crate::config::Authentication;

/// The only type of an access token (RFC 9068, section 2.1), with and without its media type's prefix.
const TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];

const REQUIRED: [&str; 4] = ["iss", "aud", "sub", "exp"];

/// What a token must say to be taken.
#[derive(Clone, Debug)]
pub struct Rules {
    issuer: String,
    audience: String,
    /// The algorithms that this issuer may use.
    pub pinned: Vec<Algorithm>,
    leeway: i64,
}

/// A token that holds.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Whom it is about.
    pub user: User,
    /// Seconds since the epoch.
    pub expires_at: i64,
}

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no JWT, or one of another shape.
    Malformed,
    /// It is not an access token.
    WrongType,
    /// Its algorithm is not the key's.
    WrongAlgorithm,
    /// It names no key, or one that is not in the set.
    UnknownKey,
    /// The signature is somebody else's.
    WrongSignature,
    /// Another issuer made it.
    WrongIssuer,
    /// It is meant for somebody else.
    WrongAudience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
}

impl Refusal {
    /// What the client is told.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Malformed => "The token is not well-formed.",
            Self::WrongType => "The token is not an access token.",
            Self::WrongAlgorithm => "The token is signed with an algorithm that is not accepted.",
            Self::UnknownKey => "The token is signed with an unknown key.",
            Self::WrongSignature => "The token's signature does not hold.",
            Self::WrongIssuer => "The token was issued by somebody else.",
            Self::WrongAudience => "The token is meant for somebody else.",
            Self::Expired => "The token has expired.",
            Self::NotYetValid => "The token is not valid yet.",
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: UserId,
    sid: SessionId,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    ver: i64,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scope: String,
}

impl Rules {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(config: &Authentication) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            pinned: config.algorithms.iter().filter_map(|name| algorithm(name)).collect(),
            leeway: i64::try_from(config.leeway.get().as_secs()).unwrap_or(i64::MAX),
        }
    }

    /// Whether the token holds at `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn verify(&self, token: &str, keys: &KeySet, now: i64) -> Result<Verified, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
        // RFC 7515, section 4.1.11: whoever does not understand an extension that is critical must refuse.
        if header.crit.is_some() {
            return Err(Refusal::Malformed);
        }
        if !header.typ.as_deref().is_some_and(|typ| TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known))) {
            return Err(Refusal::WrongType);
        }
        if !self.pinned.contains(&header.alg) {
            return Err(Refusal::WrongAlgorithm);
        }
        let key = header.kid.as_deref().and_then(|id| keys.get(id)).ok_or(Refusal::UnknownKey)?;
        if header.alg != key.algorithm {
            return Err(Refusal::WrongAlgorithm);
        }
        let claims = decode::<Claims>(token, &key.decoding, &self.validation(key.algorithm)).map_err(refusal)?.claims;
        self.judge_time(&claims, now)?;
        let roles: Roles = claims.roles.iter().filter_map(|role| role.parse().ok()).collect();
        let user = User { id: claims.sub, session: claims.sid, roles, scope: claims.scope, ver: claims.ver };
        Ok(Verified { user, expires_at: claims.exp })
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&REQUIRED);
        // Judged below against our own clock, so that a test can move it.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    }

    fn judge_time(&self, claims: &Claims, now: i64) -> Result<(), Refusal> {
        if claims.exp.saturating_add(self.leeway) <= now {
            return Err(Refusal::Expired);
        }
        match claims.nbf {
            Some(nbf) if nbf.saturating_sub(self.leeway) > now => Err(Refusal::NotYetValid),
            Some(_) | None => Ok(()),
        }
    }
}

fn refusal(error: jsonwebtoken::errors::Error) -> Refusal {
    match error.kind() {
        ErrorKind::InvalidSignature => Refusal::WrongSignature,
        ErrorKind::InvalidIssuer => Refusal::WrongIssuer,
        ErrorKind::InvalidAudience => Refusal::WrongAudience,
        ErrorKind::InvalidAlgorithm => Refusal::WrongAlgorithm,
        _ => Refusal::Malformed,
    }
}
