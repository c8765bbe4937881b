//! What a key may be used for: the words that gateways ask of a credential where a route names none, and those that a
//! configuration adds for other services.

use crate::config::ApiKeys;

/// Ours: an upstream's name, and whether it is read or changed.
const OURS: [&str; 4] = ["users:read", "users:write", "accounts:read", "accounts:write"];

/// Never a key's: the word for everything, and those by which OAuth clients learn who somebody is.
const NEVER: [&str; 5] = ["api", "openid", "profile", "email", "offline_access"];

/// Whether a key may have this word.
pub(super) fn is_known(settings: &ApiKeys, word: &str) -> bool {
    OURS.contains(&word) || settings.scopes.iter().any(|known| known == word)
}

/// Every word that a key may have.
pub(super) fn known(settings: &ApiKeys) -> String {
    let further = settings.scopes.iter().map(String::as_str);
    OURS.into_iter().chain(further).collect::<Vec<_>>().join(", ")
}

/// Whether this can be a further word (RFC 6749, section 3.3).
pub(super) fn may_be_configured(word: &str) -> bool {
    let one = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    one && !OURS.contains(&word) && !NEVER.contains(&word)
}
