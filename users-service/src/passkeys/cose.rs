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

/// Bits of a modulus.
const MODULUS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Bits of an exponent: 65537 and its like, but not 1, with which everybody signs.
const EXPONENT: std::ops::RangeInclusive<usize> = 2..=32;

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
            kind == 3
                && MODULUS.contains(&bits(modulus))
                && EXPONENT.contains(&bits(exponent))
                && odd(modulus)
                && odd(exponent)
        }
        _ => false,
    };
    sound.then(|| i32::try_from(algorithm).ok()).flatten()
}

/// Of a number without zeros in front, as COSE has it; none of any other.
fn bits(number: &[u8]) -> usize {
    match number.first() {
        Some(0) | None => 0,
        Some(first) => number.len() * 8 - first.leading_zeros() as usize,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_rsa_are_taken_by_their_bits() {
        let rsa = |modulus: Vec<u8>, exponent: &[u8]| {
            let entry = |label: i64, value: Value| (Value::from(label), value);
            algorithm(&Value::Map(vec![
                entry(1, 3.into()),
                entry(3, RS256.into()),
                entry(-1, modulus.into()),
                entry(-2, Value::Bytes(exponent.to_vec())),
            ]))
        };
        let modulus = |first: u8, bytes: usize| [&[first][..], &vec![0xff; bytes - 1]].concat();
        assert_eq!(rsa(modulus(0x80, 256), &[1, 0, 1]), Some(-257));
        assert_eq!(rsa(modulus(0xff, 512), &[3]), Some(-257));
        for (first, bytes) in [(0x7f, 256), (0x01, 256), (0x80, 255), (0x01, 513), (0x00, 257)] {
            assert_eq!(rsa(modulus(first, bytes), &[1, 0, 1]), None, "{first} and {bytes} bytes");
        }
        let even = [modulus(0x80, 255), vec![0xfe]].concat();
        assert_eq!(rsa(even, &[1, 0, 1]), None);
        for exponent in [&[1][..], &[2], &[], &[0, 3], &[1, 0, 0, 0, 1]] {
            assert_eq!(rsa(modulus(0x80, 256), exponent), None, "{exponent:?}");
        }
    }
}
