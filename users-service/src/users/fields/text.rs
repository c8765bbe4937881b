//! A person's name and telephone number.

use super::hidden::is_plain;
use super::{Refused, refused};

/// In characters.
const MAX_NAME: usize = 100;

/// 1 to 100 characters, none that cannot be seen, no blanks at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if !(1..=MAX_NAME).contains(&text.chars().count()) {
            return refused("length", "1 to 100 characters");
        }
        if !is_plain(text) || text.trim() != text {
            return refused("format", "no characters that cannot be seen, and no blanks at the beginning or end");
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A number in E.164 form: `+`, a country code that does not begin with 0, at most 15 digits in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// Reads a number.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let form = (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if form { Ok(Self(text.to_owned())) } else { refused("e164", "a number such as +14155550123 (E.164)") }
    }

    /// The number.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
