//! One key as it is made, signs, and verifies.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{DecodingKey, EncodingKey};

use super::algorithm::Algorithm;
use super::jwk::Jwk;

/// Characters of a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// A key made by the crypto library that it then refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing key cannot be made or read")]
pub struct KeyError;

/// A key that signs access tokens, or has signed some.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its RFC 7638 thumbprint, which names it in tokens and in the key set.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// PKCS#8; empty once it has signed its last token.
    pub(super) private: Vec<u8>,
    /// See [`Jwk::of`].
    pub(super) public: Vec<u8>,
}

impl SigningKey {
    /// A new key. One for RS256 takes a good part of a second.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let (private, public) = match algorithm {
            Algorithm::EdDsa => {
                let document = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| KeyError)?;
                let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| KeyError)?;
                (document.as_ref().to_vec(), pair.public_key().as_ref().to_vec())
            }
            Algorithm::Es256 => {
                let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
                let document = EcdsaKeyPair::generate_pkcs8(kind, &random).map_err(|_| KeyError)?;
                let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref()).map_err(|_| KeyError)?;
                (document.as_ref().to_vec(), pair.public_key().as_ref().to_vec())
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?;
                let document: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError)?;
                let modulus = pair.public_key().modulus();
                (document.as_ref().to_vec(), modulus.big_endian_without_leading_zero().to_vec())
            }
        };
        Ok(Self { kid: Jwk::of(algorithm, &public)?.kid, algorithm, private, public })
    }

    /// For signing.
    ///
    /// # Errors
    /// When the stored bytes are no key, or there are none any more.
    pub fn encoding(&self) -> Result<EncodingKey, KeyError> {
        if self.private.is_empty() {
            return Err(KeyError);
        }
        Ok(match self.algorithm {
            Algorithm::EdDsa => EncodingKey::from_ed_der(&self.private),
            Algorithm::Es256 => EncodingKey::from_ec_der(&self.private),
            // Its DER would have to be PKCS#1; PEM may be either.
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem(&self.private).as_bytes()).map_err(|_| KeyError)?,
        })
    }

    /// For verifying.
    ///
    /// # Errors
    /// When the stored bytes are no key.
    pub fn decoding(&self) -> Result<DecodingKey, KeyError> {
        let Jwk { x, y, n, e, .. } = self.jwk()?;
        let key = match (self.algorithm, x, y, n, e) {
            (Algorithm::EdDsa, Some(x), ..) => DecodingKey::from_ed_components(&x),
            (Algorithm::Es256, Some(x), Some(y), ..) => DecodingKey::from_ec_components(&x, &y),
            (Algorithm::Rs256, .., Some(n), Some(e)) => DecodingKey::from_rsa_components(&n, &e),
            (Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Rs256, ..) => return Err(KeyError),
        };
        key.map_err(|_| KeyError)
    }

    /// As it is shown.
    ///
    /// # Errors
    /// When the stored bytes are no key.
    pub fn jwk(&self) -> Result<Jwk, KeyError> {
        Jwk::of(self.algorithm, &self.public)
    }
}

fn pem(pkcs8: &[u8]) -> String {
    let mut text = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for (at, character) in BASE64_STANDARD.encode(pkcs8).char_indices() {
        text.push(character);
        if (at + 1) % PEM_LINE == 0 {
            text.push('\n');
        }
    }
    text + "\n-----END PRIVATE KEY-----\n"
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}
