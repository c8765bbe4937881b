//! Hashes that come from another system: which are taken, and what they may cost whoever compares them.

use super::hash::{HashError, Parameters, PasswordHash};
use super::scheme::Scheme;
use crate::config;
use crate::users::Refused;

/// Argon2: KiB, and passes.
const ARGON2: (u32, u32) = (65_536, 10);
/// bcrypt: the exponent.
const BCRYPT: u32 = 14;
/// scrypt: `ln`, `r` and `p`; 128 MiB.
const SCRYPT: (u8, u32, u32) = (17, 8, 4);
/// PBKDF2: rounds, for all blocks of the hash together.
const PBKDF2: u64 = 2_000_000;

/// A hash that may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// As it is stored.
    pub hash: PasswordHash,
    /// The function that it was made with.
    pub name: &'static str,
    /// About how long a comparison takes, in microseconds; nothing if our own are made like it.
    pub cost: Option<i64>,
    /// KiB that a comparison takes.
    pub memory_kib: u64,
}

/// Who looks at hashes that come in: they are held against our own of today.
#[derive(Debug)]
pub struct Customs(Parameters);

impl Customs {
    /// With today's parameters.
    ///
    /// # Errors
    /// When Argon2 refuses them.
    pub fn new(config: &config::Hashing) -> Result<Self, HashError> {
        Parameters::new(config).map(Self)
    }

    /// Reads a hash.
    ///
    /// # Errors
    /// `format` for what is none that is known here, `cost` for what would take too long or too much memory.
    pub fn read(&self, text: &str) -> Result<Foreign, Refused> {
        const UNKNOWN: Refused = Refused {
            code: "format",
            detail: "a hash of argon2id, argon2i, argon2d, scrypt or pbkdf2-sha1, -sha256, -sha512 in PHC form, or of bcrypt",
        };
        let text = canonical(text);
        let scheme = Scheme::parse(&text).map_err(|_| UNKNOWN)?;
        affordable(&scheme)?;
        let ours = self.0.made(&scheme);
        let cost = i64::try_from(scheme.estimate()).unwrap_or(i64::MAX);
        let (name, memory_kib) = (scheme.name(), scheme.memory_kib());
        Ok(Foreign { hash: PasswordHash::stored(text), name, cost: (!ours).then_some(cost), memory_kib })
    }
}

fn affordable(scheme: &Scheme) -> Result<(), Refused> {
    let (fits, detail) = match scheme {
        Scheme::Argon2 { params, .. } => {
            let (memory, passes) = ARGON2;
            (params.m_cost() <= memory && params.t_cost() <= passes, "at most 65536 KiB and 10 passes")
        }
        Scheme::Bcrypt { cost, .. } => (*cost <= BCRYPT, "a cost of at most 14"),
        Scheme::Scrypt { log_n, r, p, .. } => {
            let (most_n, most_r, most_p) = SCRYPT;
            (*log_n <= most_n && *r <= most_r && *p <= most_p, "at most ln=17,r=8,p=4")
        }
        Scheme::Pbkdf2 { .. } => (scheme.rounds_in_all() <= PBKDF2, "at most 2000000 rounds"),
    };
    if fits { Ok(()) } else { Err(Refused { code: "cost", detail }) }
}

/// Passlib writes `$pbkdf2-sha256$29000$…` with `.` for `+`, and no digest for SHA-1: the same in PHC form.
fn canonical(text: &str) -> String {
    let parts: Vec<_> = text.split('$').collect();
    let ["", name, rounds, salt, hash] = parts[..] else { return text.to_owned() };
    let number = !rounds.is_empty() && rounds.bytes().all(|byte| byte.is_ascii_digit());
    if !(number && name.starts_with("pbkdf2")) {
        return text.to_owned();
    }
    let name = if name == "pbkdf2" { "pbkdf2-sha1" } else { name };
    format!("${name}$i={rounds}${}${}", salt.replace('.', "+"), hash.replace('.', "+"))
}
