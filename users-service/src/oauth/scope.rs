//! Scopes: what a client's tokens may be used for, as a set of words (RFC 6749, section 3.3).

use std::collections::BTreeSet;
use std::fmt;

use shared::config::Report;

use crate::config::Config;

/// Everything that the user may do: for clients that are the operator's own.
pub const WHOLE: &str = "api";
/// Asks for an ID token (OpenID Connect Core, section 3.1.2.1).
pub const OPENID: &str = "openid";
/// Name and user name.
pub const PROFILE: &str = "profile";
/// E-mail address.
pub const EMAIL: &str = "email";
/// Outlives the browser's session (OpenID Connect Core, section 11).
pub const OFFLINE: &str = "offline_access";

/// What is about a person, and means nothing where there is none.
const PERSONAL: [&str; 5] = [WHOLE, OPENID, PROFILE, EMAIL, OFFLINE];
/// What the gateway asks for on the routes of our own services.
const OURS: [&str; 4] = ["users:read", "users:write", "accounts:read", "accounts:write"];

/// Longer texts are nobody's scope.
const MAX_BYTES: usize = 1_000;

/// A set of words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(BTreeSet<String>);

impl Scope {
    /// Reads words with one blank between; nothing when it is no scope.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        text.split(' ').map(|word| is_word(word).then(|| word.to_owned())).collect::<Option<_>>().map(Self)
    }

    /// As it was stored.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    /// Whether it has this word.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// Whether it has no word. Such a one is never given: a token without scope could be taken for one without bounds.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `other` has all its words.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// What both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// What both have together.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// What means something without a person.
    #[must_use]
    pub fn impersonal(&self) -> Self {
        Self(self.0.iter().filter(|word| !is_personal(word)).cloned().collect())
    }

    /// Its words, in their order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromIterator<String> for Scope {
    fn from_iter<I: IntoIterator<Item = String>>(words: I) -> Self {
        Self(words.into_iter().collect())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
}

/// Whether a word is about a person.
#[must_use]
pub fn is_personal(word: &str) -> bool {
    PERSONAL.contains(&word)
}

/// Every scope that clients may be given: ours, and those that the operator's own upstreams ask for.
pub fn all(config: &Config) -> impl Iterator<Item = &str> {
    PERSONAL.into_iter().chain(OURS).chain(config.oauth.scopes.iter().map(String::as_str))
}

/// RFC 6749, section 3.3: visible ASCII without `"` and `\`.
fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
}

/// What cannot hold of `[oauth]`.
pub fn check(config: &Config, report: &mut Report<'_>) {
    let oauth = &config.oauth;
    let code = oauth.code_lifetime.get().as_secs();
    report.ensure((1..=600).contains(&code), "oauth.code_lifetime", "from 1s to 10m");
    let request = oauth.request_lifetime.get().as_secs();
    report.ensure((60..=3_600).contains(&request), "oauth.request_lifetime", "from 1m to 1h");
    let own = oauth.scopes.iter().all(|word| is_word(word) && !is_personal(word) && !OURS.contains(&word.as_str()));
    report.ensure(own, "oauth.scopes", "words without blanks, and none of those that there are anyhow");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_words_of_visible_ascii() {
        for text in ["", " ", "a  b", " a", "a ", "a\tb", "a\"b", "a\\b", "ä", &"x".repeat(1_001)] {
            assert_eq!(Scope::parse(text), None, "{text:?}");
        }
        let scope = Scope::parse("openid users:read openid").unwrap();
        assert_eq!(scope.to_string(), "openid users:read");
        assert_eq!(Scope::stored(&scope.to_string()), scope);
        assert_eq!(scope.impersonal().to_string(), "users:read");
        assert!(Scope::parse("openid").unwrap().is_within(&scope) && !scope.has("open"));
        assert!(Scope::stored("").is_empty());
    }
}
