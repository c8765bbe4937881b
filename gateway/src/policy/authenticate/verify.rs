//! One token against the issuer's keys and rules (RFC 7519, RFC 8725, RFC 9068). Everything not said is refused.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};

use super::Verified;
use super::claims::{Claims, Mapping, Standing};
use super::keys::{KeySet, algorithm};
use crate::config;

/// The only type of an access token of ours (RFC 9068, section 2.1).
const ACCESS_TOKEN: &str = "at+jwt";

/// A type may stand with its media type's prefix (RFC 7515, section 4.1.9).
const MEDIA_TYPE: &str = "application/";

const REQUIRED: [&str; 3] = ["iss", "aud", "exp"];

/// What a token must say to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The only `iss`.
    pub issuer: String,
    /// At least one of these in `aud`. Only where somebody is asked about a token may there be none.
    pub audiences: Vec<String>,
    /// The algorithms that this issuer may use.
    pub pinned: Vec<Algorithm>,
    /// The types that its access tokens may have; empty: any, or none.
    types: Vec<String>,
    /// In seconds.
    leeway: i64,
    /// Where in its claims is what we need.
    pub mapping: Mapping,
}

/// Why a credential does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is no token, or one of another shape.
    Malformed,
    /// It is longer than anything that is looked at.
    TooLong,
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
    /// Its issuer does not know it, or has ended it.
    NotActive,
    /// It was revoked.
    Revoked,
    /// It holds, but not here.
    NotHere,
}

impl Refusal {
    /// What the client is told.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Malformed => "The token is not well-formed.",
            Self::TooLong => "The token is too long.",
            Self::WrongType => "The token is not an access token.",
            Self::WrongAlgorithm => "The token is signed with an algorithm that is not accepted.",
            Self::UnknownKey => "The token is signed with an unknown key.",
            Self::WrongSignature => "The token's signature does not hold.",
            Self::WrongIssuer => "The token was issued by somebody else.",
            Self::WrongAudience => "The token is meant for somebody else.",
            Self::Expired => "The token has expired.",
            Self::NotYetValid => "The token is not valid yet.",
            Self::NotActive => "The token is not known, has expired or was revoked.",
            Self::Revoked => "The token was revoked.",
            Self::NotHere => "The token's issuer is not accepted here.",
        }
    }

    /// What it is counted as.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed | Self::TooLong => "malformed",
            Self::WrongType => "wrong_type",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::UnknownKey => "unknown_key",
            Self::WrongSignature => "wrong_signature",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::NotActive => "not_active",
            Self::Revoked => "revoked",
            Self::NotHere => "not_accepted_here",
        }
    }
}

impl Rules {
    /// Those of our own issuer. The configuration has been checked.
    #[must_use]
    pub fn ours(config: &config::Authentication) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audiences: vec![config.audience.clone()],
            pinned: pinned(&config.algorithms),
            types: vec![ACCESS_TOKEN.to_owned()],
            leeway: seconds(config.leeway),
            mapping: Mapping {
                standing: Standing::Ours,
                issuer: config.issuer.clone(),
                subject: "sub".to_owned(),
                roles: "roles".to_owned(),
                role_map: None,
                scope: "scope".to_owned(),
                full_scope: config.full_scope.clone(),
            },
        }
    }

    /// Those of users-service's answers about API keys: `active`, `sub` (the user), `jti` (the key), `ver`, `roles`,
    /// `scope`, and `exp` if it ends.
    #[must_use]
    pub fn of_our_keys(config: &config::Authentication) -> Self {
        let ours = Self::ours(config);
        let mapping = Mapping { standing: Standing::OurKeys, ..ours.mapping };
        Self { audiences: Vec::new(), mapping, ..ours }
    }

    /// Those of another issuer.
    #[must_use]
    pub fn of(config: &config::Issuer, leeway: shared::config::Dur) -> Self {
        let standing = match config.trusted {
            true => Standing::Trusted { watched: config.watermarks },
            false => Standing::Foreign,
        };
        Self {
            issuer: config.issuer.clone(),
            audiences: config.audiences.clone(),
            pinned: pinned(&config.algorithms),
            types: config.types.clone(),
            leeway: seconds(config.leeway.unwrap_or(leeway)),
            mapping: Mapping {
                standing,
                issuer: config.issuer.clone(),
                subject: config.subject_claim.clone(),
                roles: config.roles_claim.clone(),
                role_map: Some(config.role_map.clone()),
                scope: config.scope_claim.clone(),
                full_scope: config.full_scope.clone(),
            },
        }
    }

    /// Whether the token holds at `now`, in seconds since the epoch.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn verify(&self, token: &str, keys: &KeySet, now: i64) -> Result<Verified, Refusal> {
        // What a header brings along (`jwk`, `jku`, `x5u`, `x5c`) is never looked at: only `kid` chooses, and only here.
        let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
        // RFC 7515, section 4.1.11: whoever does not understand an extension that is critical must refuse.
        if header.crit.is_some() {
            return Err(Refusal::Malformed);
        }
        if !self.is_type(header.typ.as_deref()) {
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
        let expires_at = self.judge_time(&claims, now)?.ok_or(Refusal::Malformed)?;
        let verified = self.mapping.verified(&claims, expires_at)?;
        Ok(Verified { signed_with: Some(Arc::clone(key)), ..verified })
    }

    fn is_type(&self, typ: Option<&str>) -> bool {
        let bare = typ.map(|typ| match typ.split_at_checked(MEDIA_TYPE.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(MEDIA_TYPE) => rest,
            Some(_) | None => typ,
        });
        self.types.is_empty() || bare.is_some_and(|typ| self.types.iter().any(|known| typ.eq_ignore_ascii_case(known)))
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&self.audiences);
        validation.set_required_spec_claims(&REQUIRED);
        // Judged below against our own clock, so that a test can move it.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    }

    /// The end of what is claimed, if it has one.
    ///
    /// # Errors
    /// It is over, or has not begun.
    pub fn judge_time(&self, claims: &Claims, now: i64) -> Result<Option<i64>, Refusal> {
        let expires_at = claims.instant("exp")?;
        if expires_at.is_some_and(|exp| exp.saturating_add(self.leeway) <= now) {
            return Err(Refusal::Expired);
        }
        match claims.instant("nbf")? {
            Some(nbf) if nbf.saturating_sub(self.leeway) > now => Err(Refusal::NotYetValid),
            Some(_) | None => Ok(expires_at),
        }
    }
}

fn pinned(names: &[String]) -> Vec<Algorithm> {
    names.iter().filter_map(|name| algorithm(name)).collect()
}

fn seconds(span: shared::config::Dur) -> i64 {
    i64::try_from(span.get().as_secs()).unwrap_or(i64::MAX)
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
