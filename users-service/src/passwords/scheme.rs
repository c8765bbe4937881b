//! How a stored hash was made: by us, or by one of the systems that our users come from.

use std::num::NonZeroU32;

use argon2::password_hash::phc::{self, ParamsString};
use argon2::{Algorithm, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA512};

use super::hash::{HashError, Scratch, argon2};

/// bcrypt reads so many bytes of a password and stops at a NUL, so that longer ones would share a hash.
const BCRYPT_READS: usize = 72;

/// What is in a hash beside the password.
pub(super) enum Scheme {
    /// RFC 9106.
    Argon2 { algorithm: Algorithm, version: Version, params: Params, salt: Vec<u8>, tag: Vec<u8> },
    /// `$2a$`, `$2b$`, `$2y$`: three names of one function, for all whose hashes were made since 2011.
    Bcrypt { cost: u32, text: String },
    /// RFC 7914.
    Scrypt { log_n: u8, r: u32, p: u32, salt: Vec<u8>, tag: Vec<u8> },
    /// RFC 8018, with HMAC.
    Pbkdf2 { digest: Digest, rounds: NonZeroU32, salt: Vec<u8>, tag: Vec<u8> },
}

/// What PBKDF2's HMAC is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl Scheme {
    /// Reads a PHC string, or a bcrypt hash in its own form.
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        if text.starts_with("$2") {
            return bcrypt_of(text);
        }
        let wrong = |error: phc::Error| HashError::other(&error);
        let hash = phc::PasswordHash::new(text).map_err(wrong)?;
        let (Some(salt), Some(tag)) = (&hash.salt, &hash.hash) else { return other("a part is missing") };
        let (salt, tag) = (salt.to_vec(), tag.as_bytes().to_vec());
        match (hash.algorithm.as_str(), hash.version) {
            ("argon2id" | "argon2i" | "argon2d", version) => {
                let algorithm = Algorithm::new(hash.algorithm.as_str()).map_err(|error| HashError::other(&error))?;
                // The string format's own rule: without a version it is the first.
                let version = Version::try_from(version.unwrap_or(0x10)).map_err(|error| HashError::other(&error))?;
                let params = Params::try_from(&hash).map_err(|error| HashError::other(&error))?;
                if !params.keyid().is_empty() || !params.data().is_empty() {
                    return other("made with a secret of another system's");
                }
                Ok(Self::Argon2 { algorithm, version, params, salt, tag })
            }
            ("scrypt", None) => {
                let [log_n, r, p] = numbers(&hash.params, ["ln", "r", "p"])?;
                let log_n = log_n.and_then(|log_n| u8::try_from(log_n).ok()).filter(|log_n| (1..32).contains(log_n));
                let (Some(log_n), Some(r), Some(p)) = (log_n, r, p) else { return other("ln, r and p are wanted") };
                // Its library multiplies them before it looks at them.
                match r.checked_mul(p) {
                    Some(1..0x4000_0000) => Ok(Self::Scrypt { log_n, r, p, salt, tag }),
                    Some(_) | None => other("r and p do not go together"),
                }
            }
            ("pbkdf2-sha1", None) => pbkdf2_of(Digest::Sha1, &hash.params, salt, tag),
            ("pbkdf2-sha256", None) => pbkdf2_of(Digest::Sha256, &hash.params, salt, tag),
            ("pbkdf2-sha512", None) => pbkdf2_of(Digest::Sha512, &hash.params, salt, tag),
            (_, _) => other("none that is known here"),
        }
    }

    /// Whether our own hashes of today are made like this, so that nobody could tell where it comes from.
    pub(super) fn is_ours(&self, today: &Params, tag_bytes: usize) -> bool {
        let numbers = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        match self {
            Self::Argon2 { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, tag, .. } => {
                numbers(params) == numbers(today) && tag.len() == tag_bytes
            }
            Self::Argon2 { .. } | Self::Bcrypt { .. } | Self::Scrypt { .. } | Self::Pbkdf2 { .. } => false,
        }
    }

    /// Whether it is `password`'s. Always the whole work, also for what bcrypt cannot take.
    pub(super) fn matches(&self, password: &[u8], scratch: &mut Scratch) -> Result<bool, HashError> {
        let (computed, tag) = match self {
            Self::Argon2 { algorithm, version, params, salt, tag } => {
                let mut computed = vec![0; tag.len()];
                argon2((*algorithm, *version), password, salt, params, &mut computed, scratch)?;
                (computed, tag)
            }
            Self::Bcrypt { text, .. } => {
                let whole = password.len() <= BCRYPT_READS && !password.contains(&0);
                let same = bcrypt::verify(password, text).map_err(|error| HashError::other(&error))?;
                return Ok(same && whole);
            }
            Self::Scrypt { log_n, r, p, salt, tag } => {
                // It takes memory of its own: never beside what is kept for ours.
                *scratch = Scratch::default();
                let params = scrypt::Params::new(*log_n, *r, *p).map_err(|error| HashError::other(&error))?;
                let mut computed = vec![0; tag.len()];
                scrypt::scrypt(password, salt, &params, &mut computed).map_err(|error| HashError::other(&error))?;
                (computed, tag)
            }
            Self::Pbkdf2 { digest, rounds, salt, tag } => {
                let algorithm = match digest {
                    Digest::Sha1 => PBKDF2_HMAC_SHA1,
                    Digest::Sha256 => PBKDF2_HMAC_SHA256,
                    Digest::Sha512 => PBKDF2_HMAC_SHA512,
                };
                return Ok(pbkdf2::verify(algorithm, *rounds, salt, password, tag).is_ok());
            }
        };
        Ok(verify_slices_are_equal(&computed, tag).is_ok())
    }

    /// Its function's name.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Argon2 { algorithm, .. } => algorithm.as_str(),
            Self::Bcrypt { .. } => "bcrypt",
            Self::Scrypt { .. } => "scrypt",
            Self::Pbkdf2 { digest: Digest::Sha1, .. } => "pbkdf2-sha1",
            Self::Pbkdf2 { digest: Digest::Sha256, .. } => "pbkdf2-sha256",
            Self::Pbkdf2 { digest: Digest::Sha512, .. } => "pbkdf2-sha512",
        }
    }

    /// KiB of memory that a comparison takes.
    pub(super) fn memory_kib(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => u64::from(params.m_cost()),
            Self::Bcrypt { .. } => 4,
            Self::Scrypt { log_n, r, p, .. } => (u64::from(*r) * ((1 << log_n) + u64::from(*p))).div_ceil(8),
            Self::Pbkdf2 { .. } => 0,
        }
    }

    /// Rounds of PBKDF2 in all: each block of the tag costs them again.
    pub(super) fn rounds_in_all(&self) -> u64 {
        match self {
            Self::Pbkdf2 { digest, rounds, tag, .. } => {
                u64::from(rounds.get()) * u64::try_from(tag.len().div_ceil(digest.bytes())).unwrap_or(u64::MAX)
            }
            Self::Argon2 { .. } | Self::Bcrypt { .. } | Self::Scrypt { .. } => 0,
        }
    }

    /// About how long a comparison takes, in microseconds of a core of 2024: good for telling which of several is the
    /// slowest. How long that one takes here is measured.
    pub(super) fn estimate(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => u64::from(params.m_cost()) * u64::from(params.t_cost()) / 2,
            Self::Bcrypt { cost, .. } => 60 << cost,
            Self::Scrypt { log_n, r, p, .. } => (u64::from(*r) * u64::from(*p) * 7 / 20).max(1) << log_n,
            Self::Pbkdf2 { digest: Digest::Sha1 | Digest::Sha256, .. } => self.rounds_in_all() / 3,
            Self::Pbkdf2 { digest: Digest::Sha512, .. } => self.rounds_in_all() / 2,
        }
    }
}

fn other<T>(why: &'static str) -> Result<T, HashError> {
    Err(HashError::other(&why))
}

fn bcrypt_of(text: &str) -> Result<Scheme, HashError> {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    let parts: bcrypt::HashParts = text.parse().map_err(|error: bcrypt::BcryptError| HashError::other(&error))?;
    let cost = parts.get_cost();
    let plain = text.get(4..6).is_some_and(|cost| cost.bytes().all(|byte| byte.is_ascii_digit()));
    if !known || !plain || !(4..=31).contains(&cost) {
        return other("no bcrypt hash of a kind that is known here");
    }
    Ok(Scheme::Bcrypt { cost, text: text.to_owned() })
}

fn pbkdf2_of(digest: Digest, params: &ParamsString, salt: Vec<u8>, tag: Vec<u8>) -> Result<Scheme, HashError> {
    let [rounds, length] = numbers(params, ["i", "l"])?;
    let Some(rounds) = rounds.and_then(NonZeroU32::new) else { return other("i is wanted") };
    if length.is_some_and(|length| usize::try_from(length) != Ok(tag.len())) {
        return other("l is not the length of the hash");
    }
    Ok(Scheme::Pbkdf2 { digest, rounds, salt, tag })
}

/// The parameters with these names; others are refused.
fn numbers<const N: usize>(params: &ParamsString, names: [&str; N]) -> Result<[Option<u32>; N], HashError> {
    let mut found = [None; N];
    for (name, value) in params.iter() {
        let place = names.iter().position(|known| *known == name.as_str()).and_then(|at| found.get_mut(at));
        let Some(place) = place else { return other("a parameter that is not known here") };
        *place = Some(value.decimal().map_err(|error| HashError::other(&error))?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::hash::{Parameters, PasswordHash};
    use super::*;
    use crate::config::Hashing;

    /// DECISIONS 57: a worker has the memory of a hash of ours or that of another function, and never both.
    #[test]
    fn scrypt_takes_its_memory_in_place_of_ours() {
        let max_wait = std::time::Duration::from_secs(1).into();
        let config = Hashing { memory_kib: 64, passes: 1, lanes: 1, workers: 1, memory: 0, queue: 1, max_wait };
        let (parameters, mut scratch) = (Parameters::new(&config).unwrap(), Scratch::default());
        let ours = PasswordHash::create(b"nobody's 1", &parameters, &mut scratch).unwrap();
        assert_eq!(scratch.kib(), 64, "kept for the next one");
        let scrypt = Scheme::parse("$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNo").unwrap();
        assert!(!scrypt.matches(b"nobody's 1", &mut scratch).unwrap());
        assert_eq!(scratch.kib(), 0, "given back before");
        assert!(Scheme::parse(ours.as_str()).unwrap().matches(b"nobody's 1", &mut scratch).unwrap());
        assert_eq!(scratch.kib(), 64);
    }
}
