//! Checking a receipt with nothing but the published keys: no database, no clock, no network, the same answer for ever.

use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::Value;

use super::claims::{Claims, TYPE, VERSION};
use super::key::ALGORITHM;
use super::published::{KeySet, PublishedKey};

/// Bytes of a receipt: one with the longest reference has less than a third of it.
const LONGEST: usize = 16 * 1024;

/// Bytes of a key set: some four thousand keys.
const LARGEST_SET: usize = 1024 * 1024;

/// Hexadecimal digits of a hash.
const HASH: usize = 64;

/// Why a receipt is not to be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says why")]
pub enum Refusal {
    #[error("it is longer than any receipt: {LONGEST} bytes")]
    TooLong,
    #[error("it is no compact JWS: three parts in base64url, with dots between them")]
    Shape,
    #[error("its header is not that of a receipt: {0}")]
    Header(String),
    #[error("the algorithm of receipts is {ALGORITHM}, and of this `{0}`")]
    Algorithm(String),
    #[error("the type of receipts is `{TYPE}`, and of this `{0}`")]
    Type(String),
    #[error("no key `{0}` is in the set: take the issuer's own, and of today")]
    UnknownKey(String),
    #[error("the key set has the key `{0}` twice")]
    Ambiguous(String),
    #[error("the signature is not that of the key `{0}` over this")]
    Signature(String),
    #[error("it was signed, but says what no receipt says: {0}")]
    Claims(String),
    #[error("its format is version {0}; this checks version {VERSION}")]
    Version(u32),
    #[error("it was issued by `{found}`, not by `{wanted}`")]
    Issuer { found: String, wanted: String },
    #[error("it was issued at {iat}, before its key signed (from {nbf} on)")]
    Early { iat: i64, nbf: i64 },
    #[error("it was issued at {iat}, when its key did not sign any more (since {exp})")]
    Late { iat: i64, exp: i64 },
    #[error("it was issued at {iat}, and its key is revoked since {revoked_at}: somebody else may have signed it")]
    Revoked { iat: i64, revoked_at: i64 },
}

/// Why a file is none.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says why")]
pub enum Unread {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("it is no text in UTF-8")]
    NoText,
    #[error("it is no key set (RFC 7517): {0}")]
    NoSet(#[from] serde_json::Error),
    #[error("it has no key of receipts")]
    NoKey,
}

/// Nothing else may stand in the header: neither keys of its own (`jwk`, `jku`, `x5c`) nor what has to be understood (`crit`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Deserialize)]
struct AnySet {
    keys: Vec<Value>,
}

/// Reads a receipt, or whatever is given as one.
///
/// # Errors
/// When it cannot be read. One that is too long is read as far as it takes to say so.
pub fn read_text(from: impl Read) -> Result<String, Unread> {
    let mut bytes = Vec::new();
    from.take(LONGEST as u64 + 2).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Unread::NoText)
}

/// Reads a key set. Keys that are none of receipts are passed over (RFC 7517, section 5).
///
/// # Errors
/// When it cannot be read, or has no key of receipts.
pub fn read_keys(from: impl Read) -> Result<KeySet, Unread> {
    let mut bytes = Vec::new();
    from.take(LARGEST_SET as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST_SET {
        return Err(Unread::TooLarge(LARGEST_SET));
    }
    let AnySet { keys } = serde_json::from_slice(&bytes)?;
    let keys = keys.into_iter().filter_map(|key| serde_json::from_value::<PublishedKey>(key).ok());
    let keys: Vec<_> = keys.filter(PublishedKey::is_ours).collect();
    if keys.is_empty() { Err(Unread::NoKey) } else { Ok(KeySet { keys }) }
}

/// What a receipt says, if it is to be believed by these keys: as the issuer published them, and not as whoever brings the
/// receipt brings them along. `issuer`: whose it has to be.
///
/// # Errors
/// Why it is not to be believed.
pub fn check(receipt: &str, keys: &KeySet, issuer: Option<&str>) -> Result<Claims, Refusal> {
    let receipt = receipt.trim_ascii();
    if receipt.len() > LONGEST {
        return Err(Refusal::TooLong);
    }
    let kid = header(receipt)?.kid;
    let mut named = keys.keys.iter().filter(|key| key.kid == kid && key.is_ours());
    let key = named.next().ok_or_else(|| Refusal::UnknownKey(kid.clone()))?;
    if named.next().is_some() {
        return Err(Refusal::Ambiguous(kid));
    }
    let claims = signed(receipt, key)?;
    holds_together(&claims)?;
    if let Some(wanted) = issuer.filter(|wanted| *wanted != claims.iss) {
        return Err(Refusal::Issuer { found: claims.iss, wanted: wanted.to_owned() });
    }
    believed(key, claims.iat)?;
    Ok(claims)
}

fn header(receipt: &str) -> Result<Header, Refusal> {
    let parts: Vec<_> = receipt.split('.').collect();
    let decoded = parts.iter().map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok().filter(|bytes| !bytes.is_empty()));
    let decoded: Vec<_> = decoded.collect::<Option<_>>().ok_or(Refusal::Shape)?;
    let [first, _, _] = decoded.as_slice() else { return Err(Refusal::Shape) };
    let header: Header = serde_json::from_slice(first).map_err(|error| Refusal::Header(error.to_string()))?;
    if header.alg != ALGORITHM {
        return Err(Refusal::Algorithm(header.alg));
    }
    if header.typ != TYPE {
        return Err(Refusal::Type(header.typ));
    }
    Ok(header)
}

/// The payload, if the key has signed it.
fn signed(receipt: &str, key: &PublishedKey) -> Result<Claims, Refusal> {
    let wrong = || Refusal::Signature(key.kid.clone());
    let public = DecodingKey::from_ed_components(&key.x).map_err(|_| wrong())?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    // It says when it was signed and never ends; what has to be there is a matter of `Claims`.
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    // The payload is looked at when its signature holds; what is wrong with one that is signed is of another kind.
    match decode::<Value>(receipt, &public, &validation) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::Json(_) | ErrorKind::Utf8(_)) => {
            return Err(Refusal::Claims(error.to_string()));
        }
        Err(_) => return Err(wrong()),
    }
    let payload = receipt.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    let payload = payload.ok_or(Refusal::Shape)?;
    // A later format may say anything.
    match serde_json::from_slice::<Versioned>(&payload) {
        Ok(Versioned { version }) if version != VERSION => Err(Refusal::Version(version)),
        Ok(_) => serde_json::from_slice(&payload).map_err(|error| Refusal::Claims(error.to_string())),
        Err(error) => Err(Refusal::Claims(error.to_string())),
    }
}

fn holds_together(claims: &Claims) -> Result<(), Refusal> {
    let (facts, chain) = (&claims.transfer, &claims.chain);
    let is_hash = |text: &str| text.len() == HASH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let hashes = [Some(&chain.hash), facts.description_sha256.as_ref(), facts.metadata_sha256.as_ref()];
    let faults = [
        (facts.amount < 1, "an amount is above nothing"),
        (facts.debit_account_id == facts.credit_account_id, "the accounts are one"),
        (!(chain.first_position..=chain.last_position).contains(&chain.position), "its place is outside of its batch"),
        (!hashes.into_iter().flatten().all(|hash| is_hash(hash)), "a hash is none"),
    ];
    match faults.into_iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, fault)) => Err(Refusal::Claims(fault.to_owned())),
        None => Ok(()),
    }
}

fn believed(key: &PublishedKey, iat: i64) -> Result<(), Refusal> {
    if let Some(revoked) = &key.revoked
        && iat >= revoked.revoked_at
    {
        return Err(Refusal::Revoked { iat, revoked_at: revoked.revoked_at });
    }
    if iat < key.nbf {
        return Err(Refusal::Early { iat, nbf: key.nbf });
    }
    match key.exp {
        Some(exp) if iat >= exp => Err(Refusal::Late { iat, exp }),
        Some(_) | None => Ok(()),
    }
}
