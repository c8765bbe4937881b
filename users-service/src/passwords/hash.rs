//! Argon2id hashes in PHC string form (RFC 9106; the P-H-C string format).

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;

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

    fn same(&self, other: &Params) -> bool {
        let key = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        key(&self.0) == key(other)
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
        derive(password, &salt, &parameters.0, &mut tag, scratch)?;
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&parameters.0).map_err(|error| HashError(error.to_string()))?,
            salt: Some(Salt::new(&salt).map_err(|error| HashError(error.to_string()))?),
            hash: Some(Output::new(&tag).map_err(|error| HashError(error.to_string()))?),
        };
        Ok(Self(hash.to_string()))
    }

    /// Whether it is `password`'s, and whether it was made with other parameters than today's.
    pub(super) fn verify(
        &self,
        password: &[u8],
        today: &Parameters,
        scratch: &mut Scratch,
    ) -> Result<(bool, bool), HashError> {
        let wrong = |error: &dyn std::fmt::Display| HashError(error.to_string());
        let hash = phc::PasswordHash::new(&self.0).map_err(|error| wrong(&error))?;
        let params = Params::try_from(&hash).map_err(|error| wrong(&error))?;
        let (Some(salt), Some(tag)) = (&hash.salt, &hash.hash) else { return Err(wrong(&"a part is missing")) };
        if hash.algorithm != Algorithm::Argon2id.ident() {
            return Err(wrong(&"not Argon2id"));
        }
        let mut computed = vec![0; tag.as_bytes().len()];
        derive(password, salt, &params, &mut computed, scratch)?;
        let matches = verify_slices_are_equal(&computed, tag.as_bytes()).is_ok();
        Ok((matches, !today.same(&params)))
    }
}

fn derive(
    password: &[u8],
    salt: &[u8],
    params: &Params,
    tag: &mut [u8],
    scratch: &mut Scratch,
) -> Result<(), HashError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2
        .hash_password_into_with_memory(password, salt, tag, scratch.of(params))
        .map_err(|error| HashError(error.to_string()))
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}
