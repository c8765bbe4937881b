//! A key and access tokens of ours signed with it: ES256, which all gateways that verify tokens can verify, or EdDSA, our own.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
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
    let (key, pem) = p256()?;
    Ok(Issued { token: token(&key, clock)?, jwks: key.jwks, pem })
}

/// Makes a key for EdDSA or ES256 and so many tokens, each of another user; the key as a JWK set, and the tokens.
pub fn issue_many(clock: &Clock, algorithm: Algorithm, tokens: usize) -> Result<(String, Vec<String>), Failure> {
    let key = match algorithm {
        Algorithm::EdDSA => ed25519()?,
        Algorithm::ES256 => p256()?.0,
        other => return Err(Failure::said(format!("no key is made for {other:?}"))),
    };
    let tokens = (0..tokens).map(|_| token(&key, clock)).collect::<Result<_, _>>()?;
    Ok((key.jwks, tokens))
}

/// A key: what signs with it, and its public half.
struct Key {
    algorithm: Algorithm,
    signs: EncodingKey,
    jwks: String,
}

fn ed25519() -> Result<Key, Failure> {
    let broken = |_| Failure::said("no Ed25519 key could be made");
    let pair = Ed25519KeyPair::generate().map_err(broken)?;
    let private = pair.to_pkcs8v1().map_err(broken)?;
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key());
    let key = json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": KEY_ID, "x": x});
    let signs = EncodingKey::from_ed_der(private.as_ref());
    Ok(Key { algorithm: Algorithm::EdDSA, signs, jwks: json!({"keys": [key]}).to_string() })
}

/// With its public half in PEM.
fn p256() -> Result<(Key, String), Failure> {
    let broken = |_| Failure::said("no P-256 key could be made");
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(broken)?;
    let private = pair.to_pkcs8v1().map_err(broken)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(broken)?;
    // SEC 1, section 2.3.3: 0x04, x, y.
    let point = pair.public_key().as_ref();
    let (x, y) = (BASE64_URL_SAFE_NO_PAD.encode(&point[1..33]), BASE64_URL_SAFE_NO_PAD.encode(&point[33..]));
    let key = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID, "x": x, "y": y});
    let base64 = BASE64_STANDARD.encode(public.as_ref());
    let signs = EncodingKey::from_ec_der(private.as_ref());
    let key = Key { algorithm: Algorithm::ES256, signs, jwks: json!({"keys": [key]}).to_string() };
    Ok((key, format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines(&base64))))
}

fn token(key: &Key, clock: &Clock) -> Result<String, Failure> {
    let header = Header { typ: Some("at+jwt".to_owned()), kid: Some(KEY_ID.to_owned()), ..Header::new(key.algorithm) };
    let now = clock.now_seconds();
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": UserId::generate(clock), "sid": SessionId::generate(clock),
        "iat": now, "nbf": now, "exp": now + LIFETIME_SECONDS, "jti": UserId::generate(clock),
        "ver": 1, "roles": ["user"], "scope": "",
    });
    jsonwebtoken::encode(&header, &claims, &key.signs).map_err(|error| Failure::said(error.to_string()))
}

/// RFC 7468: 64 characters a line.
fn lines(base64: &str) -> String {
    let pieces: Vec<&str> = base64.as_bytes().chunks(64).filter_map(|piece| std::str::from_utf8(piece).ok()).collect();
    pieces.join("\n")
}
