//! Public keys as authenticators write them (COSE, RFC 9052 and 9053): which we take.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey};
use ciborium::Value;

/// ECDSA over P-256 with SHA-256, which every authenticator has.
const ES256: i64 = -7;
/// Ed25519.
const EDDSA: i64 = -8;
/// RSA with SHA-256, for older TPMs.
const RS256: i64 = -257;

/// What is asked for, what we like best first.
pub(super) const OFFERED: [i64; 3] = [EDDSA, ES256, RS256];

/// Bytes of a modulus: 2048 to 4096 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;
/// More bytes than 65537 and its like have.
const EXPONENT: std::ops::RangeInclusive<usize> = 1..=4;

/// The algorithm of a key that we take; nothing for any other, and for what is no key.
pub(super) fn algorithm(key: &Value) -> Option<i32> {
    let key = key.as_map()?;
    let (kind, algorithm) = (number(key, 1)?, number(key, 3)?);
    let sound = match algorithm {
        ES256 => {
            let (x, y) = (bytes(key, -2)?, bytes(key, -3)?);
            let point = [&[4], x, y].concat();
            let on_curve = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).is_ok();
            kind == 2 && number(key, -1)? == 1 && (x.len(), y.len()) == (32, 32) && on_curve
        }
        EDDSA => {
            let x = bytes(key, -2)?;
            kind == 1 && number(key, -1)? == 6 && x.len() == 32 && ParsedPublicKey::new(&ED25519, x).is_ok()
        }
        RS256 => {
            let (modulus, exponent) = (bytes(key, -1)?, bytes(key, -2)?);
            let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
            let sized = MODULUS.contains(&modulus.len()) && EXPONENT.contains(&exponent.len());
            kind == 3 && sized && modulus.first() != Some(&0) && odd(modulus) && odd(exponent)
        }
        _ => false,
    };
    sound.then(|| i32::try_from(algorithm).ok()).flatten()
}

fn member(key: &[(Value, Value)], label: i64) -> Option<&Value> {
    key.iter().find(|(name, _)| name.as_integer() == Some(label.into())).map(|(_, value)| value)
}

fn number(key: &[(Value, Value)], label: i64) -> Option<i64> {
    member(key, label)?.as_integer()?.try_into().ok()
}

fn bytes(key: &[(Value, Value)], label: i64) -> Option<&[u8]> {
    member(key, label)?.as_bytes().map(Vec::as_slice)
}
