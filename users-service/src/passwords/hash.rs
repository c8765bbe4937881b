//! Argon2id hashes in PHC string form (RFC 9106; the P-H-C string format).

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::scheme::Scheme;
use crate::config;

/// RFC 9106, section 3.1: 128 bits are enough for every use.
const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 32;

/// A hash as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// What a hash costs.
#[derive(Clone, Debug)]
pub struct Parameters(Params);

/// A stored hash that is none of ours, or parameters that Argon2 refuses.
#[derive(Clone, Debug, thiserror::Error)]
#[error("password hash: {0}")]
pub struct HashError(String);

impl HashError {
    pub(super) fn other(error: &dyn std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Parameters {
    /// From the configuration.
    ///
    /// # Errors
    /// When Argon2 does not take the numbers together.
    pub fn new(config: &config::Hashing) -> Result<Self, HashError> {
        let params = Params::new(config.memory_kib, config.passes, config.lanes, Some(TAG_BYTES));
        params.map(Self).map_err(|error| HashError(error.to_string()))
    }

    /// Whether a hash was made with these.
    pub(super) fn made(&self, scheme: &Scheme) -> bool {
        scheme.is_ours(&self.0, TAG_BYTES)
    }

    /// Whether comparing with a hash takes more memory than making one with these.
    pub(super) fn exceeded_by(&self, scheme: &Scheme) -> bool {
        scheme.memory_kib() > u64::from(self.0.m_cost())
    }
}

/// Memory for one hash at a time, kept from hash to hash by a busy worker.
#[derive(Default)]
pub(super) struct Scratch(Vec<Block>);

impl Scratch {
    fn of(&mut self, params: &Params) -> &mut [Block] {
        let blocks = params.block_count();
        if self.0.len() < blocks {
            self.0.resize(blocks, Block::new());
        }
        &mut self.0[..blocks]
    }

    /// How much it is: a block is a KiB.
    #[cfg(test)]
    pub(super) const fn kib(&self) -> usize {
        self.0.len()
    }
}

impl PasswordHash {
    /// A hash read from the database.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Hashes under a fresh salt.
    pub(super) fn create(password: &[u8], parameters: &Parameters, scratch: &mut Scratch) -> Result<Self, HashError> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| HashError("no randomness".to_owned()))?;
        let mut tag = [0; TAG_BYTES];
        argon2((Algorithm::Argon2id, Version::V0x13), password, &salt, &parameters.0, &mut tag, scratch)?;
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&parameters.0).map_err(|error| HashError(error.to_string()))?,
            salt: Some(Salt::new(&salt).map_err(|error| HashError(error.to_string()))?),
            hash: Some(Output::new(&tag).map_err(|error| HashError(error.to_string()))?),
        };
        Ok(Self(hash.to_string()))
    }

    /// How it was made.
    pub(super) fn scheme(&self) -> Result<Scheme, HashError> {
        Scheme::parse(&self.0)
    }
}

/// One computation of Argon2, in memory that is there already if there is enough of it.
pub(super) fn argon2(
    (algorithm, version): (Algorithm, Version),
    password: &[u8],
    salt: &[u8],
    params: &Params,
    tag: &mut [u8],
    scratch: &mut Scratch,
) -> Result<(), HashError> {
    let argon2 = Argon2::new(algorithm, version, params.clone());
    argon2
        .hash_password_into_with_memory(password, salt, tag, scratch.of(params))
        .map_err(|error| HashError(error.to_string()))
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}
