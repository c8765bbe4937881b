//! What a confidential client shows for itself: random, shown once, stored as its SHA-256.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use shared::problem::Problem;
use subtle::ConstantTimeEq;

/// Tells ours from others at a glance, for people and for secret scanners.
const PREFIX: &str = "tgc_";

/// 256 bits, which nobody guesses: a fast hash is enough to keep them (OWASP ASVS 5, 6.5.2).
const BYTES: usize = 32;

/// A new secret. It does not show itself in logs.
pub struct Secret(String);

/// What is stored of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest(Vec<u8>);

impl Secret {
    /// A random one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, Problem> {
        Self::with_prefix(PREFIX)
    }

    /// A random one that begins with something else.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn with_prefix(prefix: &str) -> Result<Self, Problem> {
        let mut bytes = [0; BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(Problem::internal)?;
        Ok(Self([prefix, &BASE64_URL_SAFE_NO_PAD.encode(bytes)].concat()))
    }

    /// To be handed out, once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// To be stored.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Digest {
    /// Of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(digest(&SHA256, text.as_bytes()).as_ref().to_vec())
    }

    /// As it was stored.
    #[must_use]
    pub const fn stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes, for a column.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.clone()
    }

    /// Whether it is of this text. Takes the same time wherever they differ.
    #[must_use]
    pub fn is_of(&self, text: &str) -> bool {
        self.0.ct_eq(&Self::of(text).0).into()
    }
}
