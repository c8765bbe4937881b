//! Ed25519 keys (RFC 8037) as they sign and as they are shown.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::{Deserialize, Serialize};

/// The `alg` of our tokens.
pub const ALGORITHM: &str = "EdDSA";

/// A key made by the crypto library that it then refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing key cannot be made or read")]
pub struct KeyError;

/// A key that signs access tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// Its RFC 7638 thumbprint, which names it in tokens and in the key set.
    pub kid: String,
    /// PKCS#8.
    pub(super) private: Vec<u8>,
    /// The 32 bytes of RFC 8032.
    pub(super) public: Vec<u8>,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError)?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| KeyError)?;
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self { kid: thumbprint(&public), private: document.as_ref().to_vec(), public })
    }

    /// For signing.
    #[must_use]
    pub fn encoding(&self) -> EncodingKey {
        EncodingKey::from_ed_der(&self.private)
    }

    /// For verifying.
    ///
    /// # Errors
    /// When the stored bytes are no key.
    pub fn decoding(&self) -> Result<DecodingKey, KeyError> {
        DecodingKey::from_ed_components(&BASE64_URL_SAFE_NO_PAD.encode(&self.public)).map_err(|_| KeyError)
    }

    /// As it is shown.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            r#use: "sig".to_owned(),
            alg: ALGORITHM.to_owned(),
            kid: self.kid.clone(),
            x: BASE64_URL_SAFE_NO_PAD.encode(&self.public),
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

/// RFC 7638: SHA-256 over the required members in lexicographic order (RFC 8037, section 2, for this kind of key).
fn thumbprint(public: &[u8]) -> String {
    let x = BASE64_URL_SAFE_NO_PAD.encode(public);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

/// A public key (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Jwk {
    /// The kind of key.
    #[schema(example = "OKP")]
    pub kty: String,
    /// The curve.
    #[schema(example = "Ed25519")]
    pub crv: String,
    /// What it is for.
    #[schema(example = "sig")]
    pub r#use: String,
    /// With which algorithm.
    #[schema(example = "EdDSA")]
    pub alg: String,
    /// Its name in the headers of tokens.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub kid: String,
    /// The public key, base64url.
    #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
    pub x: String,
}

/// All public keys, the one that signs first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<Jwk>,
}
