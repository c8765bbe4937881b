//! User names: what a person signs in with besides the e-mail address.

use super::confusable::{Looks, is_mixed};
use super::fold::{fold, has_ignorable};
use super::{Refused, refused};

/// In characters.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=32;

/// 3 to 32 letters and digits of any script, with `.`, `_` and `-` inside. Never an `@`, so that it cannot be taken for
/// an e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username {
    written: String,
    normal: String,
}

impl Username {
    /// Reads a name.
    ///
    /// # Errors
    /// The rule it breaks.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if !LENGTH.contains(&text.chars().count()) {
            return refused("length", "3 to 32 characters");
        }
        let normal = fold(text);
        if has_ignorable(text) || !is_name(text) || !is_name(&normal) || !LENGTH.contains(&normal.chars().count()) {
            return refused("format", "letters and digits, with . _ - inside, beginning with a letter or digit");
        }
        if is_mixed(&normal) {
            return refused("confusable", "letters of one script: those of another can look the same");
        }
        Ok(Self { written: text.to_owned(), normal })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What uniqueness goes by: NFKC and full case folding.
    #[must_use]
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// What it looks like.
    #[must_use]
    pub fn looks(&self) -> Looks {
        Looks::of(&self.normal, &self.written)
    }
}

fn is_name(text: &str) -> bool {
    let inside = |c: char| {
        c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c) || matches!(c, '.' | '_' | '-')
    };
    text.chars().all(inside) && text.starts_with(char::is_alphanumeric)
}
