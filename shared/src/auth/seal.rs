//! Sealing what has to be read again: AES-256-GCM, under a key that the first byte names, so that keys can be replaced.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

/// Keeps what is made here apart from whatever else might be made of the same secret.
const CONTEXT: &[u8] = b"tollgate seal 1";

/// The crypto library failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing can be sealed")]
pub struct SealError;

/// The keys, the one that seals first. Clones share them.
#[derive(Clone)]
pub struct Seal(Arc<[Key]>);

struct Key {
    name: u8,
    key: RandomizedNonceKey,
}

/// What was sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// As it was.
    pub plain: Vec<u8>,
    /// Whether another key seals by now: then it should be sealed again.
    pub outdated: bool,
}

impl Key {
    fn of(secret: &[u8]) -> Result<Self, SealError> {
        let source = Salt::new(HKDF_SHA256, CONTEXT).extract(secret);
        let derive = |what: &[u8]| {
            let mut bytes = [0; 32];
            source.expand(&[what], HKDF_SHA256).and_then(|made| made.fill(&mut bytes)).map(|()| bytes)
        };
        let (name, key) = (derive(b"name").map_err(|_| SealError)?, derive(b"key").map_err(|_| SealError)?);
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| SealError)?;
        Ok(Self { name: name[0], key })
    }
}

impl Seal {
    /// Of these secrets, the one to seal with first.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn of(secrets: &[&[u8]]) -> Result<Self, SealError> {
        secrets.iter().map(|secret| Key::of(secret)).collect::<Result<_, _>>().map(Self)
    }

    /// Seals, bound to what it is of: it opens for nothing else.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn seal(&self, plain: &[u8], bound_to: &[u8]) -> Result<Vec<u8>, SealError> {
        let Key { name, key } = self.0.first().ok_or(SealError)?;
        let mut sealed = plain.to_vec();
        let nonce = key.seal_in_place_append_tag(Aad::from(bound_to), &mut sealed).map_err(|_| SealError)?;
        Ok([&[*name], &nonce.as_ref()[..], &sealed].concat())
    }

    /// Opens it; nothing when it was changed, is of something else, or of a key that is not known here.
    #[must_use]
    pub fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Opened> {
        let (name, rest) = sealed.split_first()?;
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN)?;
        // Two keys may have one name.
        let named = self.0.iter().enumerate().filter(|(_, key)| key.name == *name);
        named.into_iter().find_map(|(at, Key { key, .. })| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut bytes = rest.to_vec();
            let plain = key.open_in_place(nonce, Aad::from(bound_to), &mut bytes).ok()?.to_vec();
            Some(Opened { plain, outdated: at > 0 })
        })
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_what_it_is_of_and_with_any_bit_changed_for_nothing() {
        let seal = Seal::of(&[b"one"]).unwrap();
        let sealed = seal.seal(b"a secret", b"ada").unwrap();
        let opened = seal.open(&sealed, b"ada").unwrap();
        assert_eq!((opened.plain.as_slice(), opened.outdated), (b"a secret".as_slice(), false));
        assert_ne!(seal.seal(b"a secret", b"ada").unwrap(), sealed, "a nonce of its own");
        assert!(seal.open(&sealed, b"bob").is_none());
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.open(&changed, b"ada").is_none(), "{bit}");
        }
        for end in 0..sealed.len() {
            assert!(seal.open(&sealed[..end], b"ada").is_none(), "{end}");
        }
    }

    #[test]
    fn a_new_secret_opens_what_the_one_before_has_sealed() {
        let sealed = Seal::of(&[b"one"]).unwrap().seal(b"a secret", b"ada").unwrap();
        let both = Seal::of(&[b"two", b"one"]).unwrap();
        assert!(both.open(&sealed, b"ada").is_some_and(|opened| opened.outdated && opened.plain == b"a secret"));
        let again = both.seal(b"a secret", b"ada").unwrap();
        let alone = Seal::of(&[b"two"]).unwrap();
        assert!(alone.open(&again, b"ada").is_some() && alone.open(&sealed, b"ada").is_none());
    }
}
