//! Signing and verifying: a JWS (RFC 7515) under a secret that only the gateway and the services share.
//!
//! It lives 30 seconds and is bound to one audience, method and path, so that one taken from a log or from another
//! service opens nothing else. A symmetric key keeps the cost at about a microsecond on each side.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, External, User};
use crate::clock::Clock;
use crate::config::Secret;
use crate::domain::{ApiKeyId, Permissions, Roles, SessionId, UserId};

/// The header that carries it.
pub const HEADER: &str = "x-tollgate-assertion";

/// The audience of users-service.
pub const AUDIENCE_USERS: &str = "users";

/// The audience of accounts-service.
pub const AUDIENCE_ACCOUNTS: &str = "accounts";

/// How long one is good: enough for a queue and a clock that is a little off.
pub const LIFETIME: Duration = Duration::from_secs(30);

/// How far the service's clock may be behind the gateway's, in seconds.
const LEEWAY_SECONDS: i64 = 5;

/// RFC 7518, section 3.2: an HS256 key has at least as many bits as the hash.
const MIN_SECRET_BYTES: usize = 32;

const ISSUER: &str = "tollgate-gateway";
const TYPE: &str = "ti+jwt";

/// A secret of fewer than 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the assertion secret needs at least {MIN_SECRET_BYTES} bytes")]
pub struct SecretTooShort;

/// An assertion that does not hold, whatever the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity assertion does not hold")]
pub struct InvalidAssertion;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    htm: &'a str,
    htu: &'a str,
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<ApiKeyId>,
    /// A name with another issuer. Apart from `sub`, so that no reader can take it for a user of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    ext: Option<Name<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    gateway: bool,
    #[serde(skip_serializing_if = "Roles::is_empty_ref")]
    roles: Roles,
    /// What custom roles add. A service of the release before passes over it: then they add nothing.
    #[serde(skip_serializing_if = "Permissions::is_empty")]
    perm: Permissions,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    ver: i64,
}

#[derive(Serialize)]
struct Name<'a> {
    iss: &'a str,
    sub: &'a str,
}

#[derive(Deserialize)]
struct ReadName {
    iss: String,
    sub: String,
}

/// The same, owning its text, as it is read.
#[derive(Deserialize)]
struct Read {
    iss: String,
    iat: i64,
    exp: i64,
    aud: String,
    htm: String,
    htu: String,
    ip: Option<IpAddr>,
    sub: Option<UserId>,
    sid: Option<SessionId>,
    key: Option<ApiKeyId>,
    ext: Option<ReadName>,
    #[serde(default)]
    gateway: bool,
    #[serde(default)]
    roles: Roles,
    #[serde(default)]
    perm: Permissions,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    ver: i64,
}

impl Roles {
    fn is_empty_ref(&self) -> bool {
        self.is_empty()
    }
}

/// The gateway's side. It signs every forwarded request, so the key is scheduled and the header encoded once: that
/// halves the cost of `jsonwebtoken::encode`, which the services' side and the tests hold the result against.
#[derive(Clone)]
pub struct Signer {
    key: hmac::Key,
    /// The header of every assertion, encoded, with its dot.
    header: String,
    clock: Clock,
}

impl Signer {
    /// With the shared secret.
    pub fn new(secret: &Secret, clock: Clock) -> Result<Self, SecretTooShort> {
        check_length(secret)?;
        let mut header = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"{TYPE}","alg":"HS256"}}"#));
        header.push('.');
        Ok(Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()), header, clock })
    }

    /// Vouches for `caller` towards `audience`, for one method and one path (without its query).
    pub fn sign(&self, audience: &str, method: &str, path: &str, caller: &Caller) -> Result<String, serde_json::Error> {
        let iat = self.clock.now_seconds();
        let (user, external) = (caller.user.as_ref(), caller.external.as_ref());
        let roles = user.map(|user| user.roles).or(external.map(|external| external.roles));
        let scope = user.map(|user| &user.scope).or(external.map(|external| &external.scope));
        let claims = Claims {
            iss: ISSUER,
            aud: audience,
            iat,
            exp: iat + i64::try_from(LIFETIME.as_secs()).unwrap_or(0),
            htm: method,
            htu: path,
            ip: caller.client_ip,
            sub: user.map(|user| user.id),
            sid: user.and_then(|user| user.session),
            key: user.and_then(|user| user.api_key),
            ext: external.map(|external| Name { iss: &external.issuer, sub: &external.subject }),
            gateway: caller.is_gateway,
            roles: roles.unwrap_or(Roles::NONE),
            perm: user.map_or(Permissions::NONE, |user| user.permissions),
            scope: scope.map_or("", String::as_str),
            ver: user.map_or(0, |user| user.ver),
        };
        // RFC 7515, section 7.1: the compact form.
        let claims = serde_json::to_vec(&claims)?;
        let mut assertion = String::with_capacity(self.header.len() + claims.len() * 4 / 3 + 64);
        assertion.push_str(&self.header);
        BASE64_URL_SAFE_NO_PAD.encode_string(&claims, &mut assertion);
        let signature = hmac::sign(&self.key, assertion.as_bytes());
        assertion.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut assertion);
        Ok(assertion)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

/// A service's side.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    audience: &'static str,
    clock: Clock,
}

impl Verifier {
    /// For one audience, with the shared secret.
    pub fn new(secret: &Secret, audience: &'static str, clock: Clock) -> Result<Self, SecretTooShort> {
        check_length(secret)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // Judged below against our own clock, so that a test can move it.
        validation.validate_exp = false;
        Ok(Self { key: DecodingKey::from_secret(secret.expose().as_bytes()), validation, audience, clock })
    }

    /// Who calls, if the assertion holds for this method and path.
    pub fn verify(&self, assertion: &str, method: &str, path: &str) -> Result<Caller, InvalidAssertion> {
        let token =
            jsonwebtoken::decode::<Read>(assertion, &self.key, &self.validation).map_err(|_| InvalidAssertion)?;
        let (header, read) = (token.header, token.claims);
        let now = self.clock.now_seconds();
        let timely = read.exp > now - LEEWAY_SECONDS && read.iat <= now + LEEWAY_SECONDS;
        let bound = read.htm == method && read.htu == path && read.aud == self.audience && read.iss == ISSUER;
        if !(timely && bound && header.typ.as_deref() == Some(TYPE)) {
            return Err(InvalidAssertion);
        }
        let (roles, client_ip, is_gateway) = (read.roles, read.ip, read.gateway);
        Ok(match (read.sub, read.ext) {
            // Whoever is two at once is neither.
            (Some(_), Some(_)) => return Err(InvalidAssertion),
            (Some(id), None) => {
                let (session, api_key) = (read.sid, read.key);
                let (permissions, scope, ver) = (read.perm, read.scope, read.ver);
                let user = User { id, session, api_key, roles, permissions, scope, ver };
                Caller { user: Some(user), external: None, is_gateway, client_ip }
            }
            (None, Some(ReadName { iss: issuer, sub: subject })) => {
                let external = External { issuer, subject, roles, scope: read.scope };
                Caller { user: None, external: Some(external), is_gateway, client_ip }
            }
            (None, None) => Caller { user: None, external: None, is_gateway, client_ip },
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({})", self.audience)
    }
}

fn check_length(secret: &Secret) -> Result<(), SecretTooShort> {
    if secret.expose().len() < MIN_SECRET_BYTES { Err(SecretTooShort) } else { Ok(()) }
}
