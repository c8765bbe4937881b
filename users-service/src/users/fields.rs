//! What a user is made of, each a type that can only hold what is valid: parse, don't validate.

mod confusable;
mod email;
mod fold;
mod hidden;
mod identifier;
mod person;
mod text;
mod username;

pub use confusable::Looks;
pub use email::Email;
pub use fold::fold;
#[cfg(feature = "passkeys")]
pub use hidden::is_plain;
pub use identifier::Identifier;
pub use person::{AddressLine, BirthDate, PersonName, State, ZipCode};
pub use text::{Name, Phone};
pub use username::Username;

/// Why a value was refused: a stable name of the rule, and a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// Which rule.
    pub code: &'static str,
    /// What it asks for.
    pub detail: &'static str,
}

pub(crate) const fn refused<T>(code: &'static str, detail: &'static str) -> Result<T, Refused> {
    Err(Refused { code, detail })
}

#[cfg(test)]
mod tests;
