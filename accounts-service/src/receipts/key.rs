//! One key as it is made, sealed, and opened again to sign (RFC 8032: Ed25519).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::EncodingKey;
use shared::auth::Seal;

use super::published::thumbprint;

/// The one algorithm of receipts, as `alg` has it (RFC 8037, section 3.1).
pub const ALGORITHM: &str = "EdDSA";

/// What is sealed is bound to what it is for, and to the key's name.
const BOUND_TO: &str = "receipt key ";

/// No key can be made, sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The crypto library failed.
    #[error("no receipt key can be made")]
    Unmade,
    /// What seals here did not seal this one.
    #[error(
        "the receipt key {0} cannot be opened: `receipts.seal_secret` is not what sealed it. Give what did as \
         `receipts.previous_seal_secret`; if that is lost, `accounts-service revoke-receipt-key {0}` makes another"
    )]
    Sealed(String),
}

/// A key that was just made.
#[derive(Clone)]
pub struct Made {
    /// Its thumbprint (RFC 7638), which names it in receipts and in the key set.
    pub kid: String,
    /// The 32 bytes of RFC 8032.
    pub public: Vec<u8>,
    /// PKCS#8, sealed.
    pub sealed: Vec<u8>,
}

impl Made {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(seal: &Seal) -> Result<Self, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Unmade)?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| KeyError::Unmade)?;
        let public = pair.public_key().as_ref().to_vec();
        let kid = thumbprint(&public);
        let sealed = seal.seal(document.as_ref(), &bound_to(&kid)).map_err(|_| KeyError::Unmade)?;
        Ok(Self { kid, public, sealed })
    }
}

/// What signs, of what was sealed.
///
/// # Errors
/// When it cannot be opened, or is not the private half of `public`.
pub fn open(seal: &Seal, kid: &str, public: &[u8], sealed: &[u8]) -> Result<EncodingKey, KeyError> {
    let opened = seal.open(sealed, &bound_to(kid)).ok_or_else(|| KeyError::Sealed(kid.to_owned()))?;
    match Ed25519KeyPair::from_pkcs8(&opened.plain) {
        Ok(pair) if pair.public_key().as_ref() == public => Ok(EncodingKey::from_ed_der(&opened.plain)),
        Ok(_) | Err(_) => Err(KeyError::Sealed(kid.to_owned())),
    }
}

fn bound_to(kid: &str) -> Vec<u8> {
    [BOUND_TO, kid].concat().into_bytes()
}
