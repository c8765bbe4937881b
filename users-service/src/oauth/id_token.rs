//! ID tokens (OpenID Connect Core, section 2): who has signed in, for the client alone. Signed with keys of their own and of
//! another type than access tokens, so that neither is ever taken for the other.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Header;
use serde::Serialize;
use shared::domain::{ClientId, SessionId, UserId};
use shared::problem::{Code, Problem};

use super::store::{Authorization, Proof};
use crate::app::App;
use crate::keys::Signer;

/// In seconds: it is looked at once, when it comes.
const LIFETIME: i64 = 300;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// What it says.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: UserId,
    aud: ClientId,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    amr: Vec<&'a str>,
    at_hash: String,
    sid: SessionId,
}

/// What signs them. Asked for before anything is changed for one's sake.
///
/// # Errors
/// 503 when there is no key to sign with.
pub(super) fn signer(app: &App) -> Result<Arc<Signer>, Problem> {
    let no_key = || Problem::unavailable(Code::KeysUnavailable, "there is no active key for ID tokens");
    app.keys.id.signer().ok_or_else(no_key)
}

/// One for the client of an authorization, beside this access token.
pub(super) fn issue(
    app: &App,
    signer: &Signer,
    found: &Authorization,
    proof: &Proof,
    access_token: &str,
) -> Result<String, Problem> {
    let now = app.clock.now_seconds();
    let claims = Claims {
        iss: &app.config.tokens.issuer,
        sub: proof.user,
        aud: found.client,
        exp: now + LIFETIME,
        iat: now,
        auth_time: proof.at.div_euclid(MICROS_PER_SECOND),
        nonce: found.nonce.as_deref(),
        amr: proof.amr.split(' ').collect(),
        at_hash: half_hash(signer, access_token),
        sid: proof.session,
    };
    let header = Header { typ: Some("JWT".to_owned()), kid: Some(signer.kid.clone()), ..Header::new(signer.algorithm) };
    jsonwebtoken::encode(&header, &claims, &signer.key).map_err(Problem::internal)
}

/// The left half of the hash that goes with the algorithm (section 3.1.3.6): SHA-256 for those with 256 in their names, and
/// SHA-512 for Ed25519, which hashes with it.
fn half_hash(signer: &Signer, token: &str) -> String {
    let algorithm = match signer.algorithm {
        jsonwebtoken::Algorithm::EdDSA => &aws_lc_rs::digest::SHA512,
        _ => &SHA256,
    };
    let hash = digest(algorithm, token.as_bytes());
    let half = hash.as_ref().len() / 2;
    BASE64_URL_SAFE_NO_PAD.encode(hash.as_ref().get(..half).unwrap_or_default())
}
