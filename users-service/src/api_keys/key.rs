//! A key as text: `tgk_`, eight characters by which people know it, 256 random bits, and a checksum, so that whoever scans
//! files for keys finds them, and a mistyped one is refused without a look into the database.

use aws_lc_rs::rand;
use sha2::{Digest, Sha256};
use shared::config::Secret;
use shared::problem::Problem;

/// What every key of ours begins with.
const PREFIX: &str = "tgk_";
/// What is shown of it besides, in characters.
const SHOWN: usize = 8;
/// Characters that nobody guesses: 62^43 is more than 2^256.
const HIDDEN: usize = 43;
/// The checksum: 62^6 is more than 2^32.
const CHECK: usize = 6;
/// The length of all of it.
const LENGTH: usize = PREFIX.len() + SHOWN + 1 + HIDDEN + CHECK;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Bytes from here on would make some characters likelier than others.
const EVEN: u8 = 248;

/// A key.
#[derive(Clone)]
pub(super) struct ApiKey(Secret);

impl ApiKey {
    /// A new one.
    ///
    /// # Errors
    /// 500 when there is no randomness.
    pub fn generate() -> Result<Self, Problem> {
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        draw(&mut text, SHOWN)?;
        text.push('_');
        draw(&mut text, HIDDEN)?;
        let check = checksum(&text);
        text.push_str(&check);
        Ok(Self(Secret::from(text)))
    }

    /// Reads a text that may be a key: nothing for what none of ours can be.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (said, check) = text.split_at_checked(LENGTH - CHECK)?;
        let (shown, hidden) = said.strip_prefix(PREFIX)?.split_once('_')?;
        let drawn = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let formed = shown.len() == SHOWN && hidden.len() == HIDDEN && drawn(shown) && drawn(hidden);
        (formed && check == checksum(said)).then(|| Self(Secret::from(text.to_owned())))
    }

    /// What people know it by.
    #[must_use]
    pub fn shown(&self) -> String {
        self.0.expose().chars().take(PREFIX.len() + SHOWN).collect()
    }

    /// What is stored of it. A fast hash, for nobody guesses 256 bits.
    #[must_use]
    pub fn digest(&self) -> Vec<u8> {
        Sha256::digest(self.0.expose()).to_vec()
    }

    /// All of it, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Appends `count` random characters.
fn draw(text: &mut String, count: usize) -> Result<(), Problem> {
    let end = text.len() + count;
    let mut bytes = [0_u8; HIDDEN];
    while text.len() < end {
        rand::fill(&mut bytes).map_err(|_| Problem::internal("no randomness"))?;
        let left = end - text.len();
        let even = bytes.iter().filter(|byte| **byte < EVEN);
        text.extend(even.take(left).filter_map(|byte| digit(u32::from(*byte))));
    }
    Ok(())
}

/// The CRC-32 in base 62: against slips, not against forgers.
fn checksum(text: &str) -> String {
    let mut rest = crc32fast::hash(text.as_bytes());
    let mut digits = Vec::with_capacity(CHECK);
    for _ in 0..CHECK {
        digits.extend(digit(rest));
        rest /= 62;
    }
    digits.iter().rev().collect()
}

fn digit(number: u32) -> Option<char> {
    let at = usize::try_from(number % 62).ok()?;
    ALPHABET.get(at).map(|byte| char::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_with_any_character_changed_it_does_not() {
        let key = ApiKey::generate().unwrap();
        let text = key.expose().to_owned();
        assert_eq!((text.len(), key.shown().len()), (LENGTH, 12));
        assert!(text.starts_with(&format!("{}_", key.shown())));
        let read = ApiKey::parse(&text).unwrap();
        assert_eq!((read.digest(), read.digest().len()), (key.digest(), 32));
        for at in 0..text.len() {
            for other in ['A', 'b', '7', '_', ' ', 'é'] {
                let mut changed: Vec<char> = text.chars().collect();
                if changed[at] != other {
                    changed[at] = other;
                    let changed: String = changed.into_iter().collect();
                    assert!(ApiKey::parse(&changed).is_none(), "{at} {other}");
                }
            }
        }
        for other in
            ["", "tgk_", "tgk_abc", &text[1..], &text[..text.len() - 1], &format!("{text}0"), &"x".repeat(9_000)]
        {
            assert!(ApiKey::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn characters_are_drawn_evenly_and_no_two_keys_are_alike() {
        let mut seen = std::collections::HashMap::<char, u32>::new();
        let mut drawn = String::new();
        draw(&mut drawn, 62 * 500).unwrap();
        drawn.chars().for_each(|c| *seen.entry(c).or_default() += 1);
        assert_eq!((seen.len(), drawn.len()), (62, 62 * 500));
        assert!(seen.values().all(|count| (350..650).contains(count)), "{seen:?}");
        assert_ne!(ApiKey::generate().unwrap().expose(), ApiKey::generate().unwrap().expose());
    }

    /// Fixed for ever: a release that made another checksum would refuse every key there is.
    #[test]
    fn the_format_is_what_it_was() {
        let said = format!("tgk_01234567_{}", "a".repeat(HIDDEN));
        let text = format!("{said}{}", checksum(&said));
        assert_eq!(&text[said.len()..], "2JaNzJ");
        assert!(ApiKey::parse(&text).is_some());
    }
}
