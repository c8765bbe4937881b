//! What somebody signs in with: what it calls itself, and what will carry the tokens.

use actix_web::http::header::{HeaderMap, USER_AGENT};

use super::opening::Carrier;

/// Characters of a name that are kept: enough for every browser's.
const LONGEST: usize = 256;

/// A program that somebody signs in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// What will carry the session's tokens.
    pub carrier: Carrier,
    /// What it calls itself, if it does.
    pub name: Option<String>,
}

impl Agent {
    /// The one that sends these headers. Its name is for people to recognise it by, so only what cannot mislead them is kept
    /// of it: visible ASCII, of which the names of browsers are made (RFC 9110, section 10.1.5).
    #[must_use]
    pub fn of(headers: &HeaderMap, carrier: Carrier) -> Self {
        let said = headers.get(USER_AGENT).map_or(&b""[..], |name| name.as_bytes());
        let plain = said.iter().map(|byte| char::from(*byte)).filter(|c| matches!(c, ' '..='~'));
        let name: String = plain.take(LONGEST).collect();
        let name = name.trim();
        Self { carrier, name: (!name.is_empty()).then(|| name.to_owned()) }
    }
}
