//! What somebody signs in with: an e-mail address or a user name, in the form in which either is looked up.

use sha2::{Digest, Sha256};

use super::{Email, fold};

/// Longer identifiers name nobody, in characters: an e-mail address has at most 254 bytes.
const LONGEST: usize = 254;

/// Text that may be either. It is never refused: what is neither is a name that nobody has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identifier {
    /// The normal form of an e-mail address.
    Email(String),
    /// The normal form of a user name.
    Username(String),
}

impl Identifier {
    /// Reads what was sent. However somebody spells their address, it is one identifier: whoever counts attempts by it
    /// counts what the lookup finds.
    #[must_use]
    pub fn of(text: &str) -> Self {
        // PostgreSQL takes no text with a NUL, and would say so.
        if text.chars().count() > LONGEST || text.contains('\0') {
            // Never cut, or it would be somebody's. Its hash is counted and looked up like any other name, and has a
            // space, which no user name has.
            return Self::Username(format!("no name {}", hex::encode(Sha256::digest(text))));
        }
        match Email::parse(text) {
            Ok(email) => Self::Email(email.normal().to_owned()),
            Err(_) => Self::Username(fold(text)),
        }
    }

    /// The normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(text) | Self::Username(text) => text,
        }
    }
}
