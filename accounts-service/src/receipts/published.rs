//! Public keys as the world sees them (RFC 7517; RFC 8037, section 2), named by their thumbprints (RFC 7638).
//!
//! `iat`, `nbf`, `exp` and `revoked` are as OpenID Federation 1.0 has them for keys of the past (section 8.7.2).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::key::ALGORITHM;

/// Why a key was revoked: the one reason there is a command for.
const COMPROMISED: &str = "compromised";

/// Bytes of a public key (RFC 8032, section 5.1.5).
const PUBLIC: usize = 32;

/// A key that receipts were, are, or will be signed with. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReceiptKey)]
pub struct PublishedKey {
    /// The kind of key: `OKP`.
    pub kty: String,
    /// The curve: `Ed25519`.
    pub crv: String,
    /// What it is for: `sig`.
    pub r#use: String,
    /// With which algorithm: `EdDSA`.
    pub alg: String,
    /// Its name in the headers of receipts: its thumbprint.
    pub kid: String,
    /// The public key, base64url.
    pub x: String,
    /// When it was made.
    pub iat: i64,
    /// Since when it signs: a receipt of before (`iat`) is none of its.
    pub nbf: i64,
    /// Since when another signs in its place: a receipt from then on is none of its. Absent while it signs, or has yet to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub exp: Option<i64>,
    /// Where somebody else may have it: since when nothing is to be believed that it has signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub revoked: Option<Revoked>,
}

/// Since when a key is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReceiptKeyRevoked)]
pub struct Revoked {
    /// Receipts with this `iat` or a later one are refused, in seconds since the Unix epoch.
    pub revoked_at: i64,
    /// Why: `compromised`.
    #[serde(default)]
    pub reason: String,
}

/// Every key that receipts were ever signed with: none is ever taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ReceiptKeySet)]
pub struct KeySet {
    /// The keys: the one that will sign next, if there is one, the one that signs, and those that have signed.
    pub keys: Vec<PublishedKey>,
}

/// A key's times, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it was made.
    pub made: i64,
    /// Since when it signs.
    pub signs: i64,
    /// Since when it signs no more.
    pub ended: Option<i64>,
    /// Since when it is not to be believed.
    pub revoked: Option<i64>,
}

impl PublishedKey {
    /// Of the public bytes that are stored.
    pub fn of(public: &[u8], times: Times) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            r#use: "sig".to_owned(),
            alg: ALGORITHM.to_owned(),
            kid: thumbprint(public),
            x: BASE64_URL_SAFE_NO_PAD.encode(public),
            iat: times.made,
            nbf: times.signs,
            exp: times.ended,
            revoked: times.revoked.map(|revoked_at| Revoked { revoked_at, reason: COMPROMISED.to_owned() }),
        }
    }

    /// Whether it is a key of receipts, and has the name that follows from it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let says = [&self.kty, &self.crv, &self.r#use, &self.alg] == ["OKP", "Ed25519", "sig", ALGORITHM];
        let public = BASE64_URL_SAFE_NO_PAD.decode(&self.x).unwrap_or_default();
        says && public.len() == PUBLIC && thumbprint(&public) == self.kid
    }
}

/// RFC 7638: SHA-256 over the required members in lexicographic order.
pub fn thumbprint(public: &[u8]) -> String {
    let x = BASE64_URL_SAFE_NO_PAD.encode(public);
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"{x}\"}}")))
}
