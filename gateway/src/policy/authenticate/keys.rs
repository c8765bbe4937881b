//! The issuer's public keys: what is taken from a JWK set (RFC 7517) and for which algorithm.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// Base64url characters of a 2048-bit modulus; shorter RSA keys are not used (RFC 7518, section 3.3).
const MIN_MODULUS_CHARS: usize = 342;

/// More keys than this are not worth keeping: an issuer has two or three.
const MAX_KEYS: usize = 32;

/// One key and the only algorithm that it is for. Tokens that were verified with it are remembered with it.
pub struct Key {
    /// Its name.
    pub id: Box<str>,
    /// A token with any other algorithm is refused.
    pub algorithm: Algorithm,
    /// The key itself.
    pub decoding: DecodingKey,
    shown: Jwk,
    /// Set when its issuer does not show it any more.
    gone: AtomicBool,
}

/// Keys by their id.
#[derive(Default)]
pub struct KeySet(HashMap<Box<str>, Arc<Key>>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

#[derive(Clone, PartialEq, Eq, Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

impl KeySet {
    /// Takes every key that can verify with one of `pinned`; others in the set are somebody else's business.
    ///
    /// # Errors
    /// A document that is no JWK set.
    pub fn parse(document: &[u8], pinned: &[Algorithm]) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(document)?;
        let keys = document.keys.into_iter().take(MAX_KEYS).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let usable = keys.filter_map(|jwk| {
            let key = jwk.key().filter(|key| pinned.contains(&key.algorithm))?;
            Some((key.id.clone(), Arc::new(key)))
        });
        Ok(Self(usable.collect()))
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Key>> {
        self.0.get(id)
    }

    /// Those of them that can verify with one of these algorithms.
    #[must_use]
    pub fn only(&self, pinned: &[Algorithm]) -> Self {
        let fit = self.0.iter().filter(|(_, key)| pinned.contains(&key.algorithm));
        Self(fit.map(|(id, key)| (id.clone(), Arc::clone(key))).collect())
    }

    /// The same in the place of `before`: what both show goes on, and what only the other showed is gone.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        for (id, old) in &before.0 {
            match self.0.get_mut(id) {
                Some(new) if new.shown == old.shown && !old.is_gone() => *new = Arc::clone(old),
                Some(_) | None => old.gone.store(true, Ordering::Release),
            }
        }
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Key {
    /// Whether its issuer has taken it back: what it has signed is looked at anew.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for Key {}

impl Jwk {
    fn key(&self) -> Option<Key> {
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") || self.kid.is_empty() {
            return None;
        }
        let (name, decoding) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => ("EdDSA", DecodingKey::from_ed_components(&self.x)),
            ("EC", Some("P-256")) => ("ES256", DecodingKey::from_ec_components(&self.x, &self.y)),
            ("RSA", _) if self.n.len() >= MIN_MODULUS_CHARS => {
                ("RS256", DecodingKey::from_rsa_components(&self.n, &self.e))
            }
            _ => return None,
        };
        // `alg` may say less than the key could do, never something else.
        if self.alg.as_deref().is_some_and(|alg| alg != name) {
            return None;
        }
        let (algorithm, decoding) = (algorithm(name)?, decoding.ok()?);
        let (id, gone) = (self.kid.as_str().into(), AtomicBool::new(false));
        Some(Key { id, algorithm, decoding, shown: self.clone(), gone })
    }
}

/// The algorithms that access tokens may be signed with. Symmetric ones are not among them, so a public key can never
/// be taken for a secret.
#[must_use]
pub fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "EdDSA" => Some(Algorithm::EdDSA),
        "ES256" => Some(Algorithm::ES256),
        "RS256" => Some(Algorithm::RS256),
        _ => None,
    }
}
