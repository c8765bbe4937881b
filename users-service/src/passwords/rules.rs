//! What a new password must look like.

use shared::config::Secret;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::blocklist::is_common;
use crate::config::{PasswordRule, Passwords};
use crate::users::{Refused, fold};

/// In characters. Argon2 would take more; the limit keeps a request small.
const MAX: usize = 128;
const MIN_COMPOSITION: usize = 10;
/// NIST SP 800-63B-4, section 3.1.1.2, for a password that is the only factor.
const MIN_NIST: usize = 15;

/// Parts of names shorter than this are in too many passwords by chance.
const MIN_NAME: usize = 3;

/// A new password that keeps the rules.
#[derive(Clone, Debug)]
pub struct Password(Secret);

impl Password {
    /// Reads a password for somebody with these names (user name, local part of the address, what they are called).
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str, rules: &Passwords, names: &[&str]) -> Result<Self, Refused> {
        let (length, rule) = (text.chars().count(), rules.rule);
        let (min, too_short) = match rule {
            PasswordRule::Composition => (MIN_COMPOSITION, "10 to 128 characters"),
            PasswordRule::Nist => (MIN_NIST, "15 to 128 characters"),
        };
        let digit = text.chars().any(is_digit);
        let folded = fold(text);
        // RFC 8265, section 4.2: an OpaqueString has no control characters. A NUL could not even be sent to sign in with.
        let fault = if text.chars().any(char::is_control) {
            Refused { code: "control", detail: "no control characters" }
        } else if !(min..=MAX).contains(&length) {
            Refused { code: "length", detail: too_short }
        } else if rule == PasswordRule::Composition && !digit {
            Refused { code: "digit", detail: "at least one digit" }
        } else if is_common(&folded) {
            Refused { code: "common", detail: "not one of the most common passwords" }
        } else if names.iter().any(|name| contains_name(&folded, name)) {
            Refused { code: "own_name", detail: "not your own name, user name or e-mail address" }
        } else if rules.context_words.iter().any(|word| contains_name(&folded, word)) {
            Refused { code: "context_word", detail: "not a word that everybody here would think of" }
        } else {
            return Ok(Self(Secret::from(text.to_owned())));
        };
        Err(fault)
    }

    /// The text, for hashing.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }
}

/// A decimal digit of any script: not a fraction, and no number of another kind.
fn is_digit(c: char) -> bool {
    c.general_category() == GeneralCategory::DecimalNumber
}

fn contains_name(folded: &str, name: &str) -> bool {
    let long_enough = |part: &&str| part.chars().count() >= MIN_NAME;
    let name = fold(name);
    let parts = name.split(|c: char| !c.is_alphanumeric()).filter(long_enough);
    std::iter::once(name.as_str()).filter(long_enough).chain(parts).any(|part| folded.contains(part))
}
