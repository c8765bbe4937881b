//! An ES256 key and an access token of ours signed with it: what all gateways that verify tokens can verify.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use shared::clock::Clock;
use shared::domain::{SessionId, UserId};

use crate::failure::Failure;

/// `iss` and `aud` of the token.
pub const ISSUER: &str = "http://127.0.0.1:8080";
pub const AUDIENCE: &str = "tollgate";
/// Longer than any run.
const LIFETIME_SECONDS: i64 = 3600;
const KEY_ID: &str = "bench";

/// The token and its key in the forms that the gateways want.
#[derive(Debug)]
pub struct Issued {
    /// The access token.
    pub token: String,
    /// The public key as a JWK set (RFC 7517).
    pub jwks: String,
    /// The public key in PEM.
    pub pem: String,
}

/// Makes a key and one token of a user with the role `user`.
pub fn issue(clock: &Clock) -> Result<Issued, Failure> {
    let Made { signs, jwks, pem } = key()?;
    Ok(Issued { token: token(&signs, clock)?, jwks, pem })
}

/// Makes a key and so many tokens, each of another user; the key as a JWK set, and the tokens.
pub fn issue_many(clock: &Clock, tokens: usize) -> Result<(String, Vec<String>), Failure> {
    let Made { signs, jwks, .. } = key()?;
    let tokens = (0..tokens).map(|_| token(&signs, clock)).collect::<Result<_, _>>()?;
    Ok((jwks, tokens))
}

/// A key: what signs with it, and its public half.
struct Made {
    signs: EncodingKey,
    jwks: String,
    pem: String,
}

fn key() -> Result<Made, Failure> {
    let broken = |_| Failure::said("no P-256 key could be made");
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(broken)?;
    let private = pair.to_pkcs8v1().map_err(broken)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(broken)?;
    // SEC 1, section 2.3.3: 0x04, x, y.
    let point = pair.public_key().as_ref();
    let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]), BASE64_URL_SAFE_NO_PAD.encode(&point[33..]));
    let key = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": x, "y": y});
    let base64 = BASE64_STANDARD.encode(public.as_ref());
    Ok(Made {
        signs: EncodingKey::from_ec_der(private.as_ref()),
        jwks: json!({"keys": [key]}).to_string(),
        pem: format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines(&base64)),
    })
}

fn token(signs: &EncodingKey, clock: &Clock) -> Result<String, Failure> {
    let header =
        Header { typ: Some("at+jwt".to_owned()), kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
    let now = clock.now_seconds();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": UserId::generate(clock), "sid": SessionId::generate(clock),
        "iat": now, "nbf": now, "exp": now + LIFETIME_SECONDS, "jti": UserId::generate(clock),
        "ver": 1, "roles": ["user"], "scope": "",
    });
    jsonwebtoken::encode(&header, &claims, signs).map_err(|error| Failure::said(error.to_string()))
}

/// RFC 7468: 64 characters a line.
fn lines(base64: &str) -> String {
    let pieces: Vec<&str> = base64.as_bytes().chunks(64).filter_map(|piece| std::str::from_utf8(piece).ok()).collect();
    pieces.join("\n")
}
