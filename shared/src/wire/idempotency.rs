//! Idempotency keys (draft-ietf-httpapi-idempotency-key-header) and the fingerprint that tells requests apart.

use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The request header.
pub const HEADER: &str = "idempotency-key";

/// The response header of a replay.
pub const REPLAYED_HEADER: &str = "idempotent-replayed";

/// The longest key.
pub const MAX_KEY: usize = 255;

/// A key: 1 to 255 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an Idempotency-Key has 1 to {MAX_KEY} visible ASCII characters")]
pub struct InvalidKey;

impl Key {
    /// Reads a header's value: bare, or as the draft's quoted string (RFC 8941, section 3.3.3), which is the same key.
    pub fn parse(value: &[u8]) -> Result<Self, InvalidKey> {
        let text = std::str::from_utf8(value).map_err(|_| InvalidKey)?.trim_matches([' ', '\t']);
        let key = match text.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => text.to_owned(),
        };
        let visible = key.bytes().all(|b| b.is_ascii_graphic());
        if (1..=MAX_KEY).contains(&key.len()) && visible { Ok(Self(key)) } else { Err(InvalidKey) }
    }

    /// The key without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

fn unquote(quoted: &str) -> Result<String, InvalidKey> {
    let inner = quoted.strip_suffix('"').ok_or(InvalidKey)?;
    let mut key = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\')).ok_or(InvalidKey)?),
            '"' => return Err(InvalidKey),
            other => key.push(other),
        }
    }
    Ok(key)
}

/// SHA-256 over the body with object keys sorted at every depth, so that reordered JSON is the same request.
#[must_use]
pub fn fingerprint(body: &Value) -> [u8; 32] {
    let mut hash = Sha256::new();
    feed(&mut hash, body);
    hash.finalize().into()
}

fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hash.update(b"n"),
        Value::Bool(true) => hash.update(b"t"),
        Value::Bool(false) => hash.update(b"f"),
        Value::Number(number) => feed_text(hash, b"d", &number.to_string()),
        Value::String(text) => feed_text(hash, b"s", text),
        Value::Array(items) => {
            feed_length(hash, b"a", items.len());
            items.iter().for_each(|item| feed(hash, item));
        }
        Value::Object(members) => {
            feed_length(hash, b"o", members.len());
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name.as_str());
            for (name, member) in sorted {
                feed_text(hash, b"k", name);
                feed(hash, member);
            }
        }
    }
}

/// Lengths go in before contents, so that no two different values run together into the same bytes.
fn feed_length(hash: &mut Sha256, tag: &[u8], length: usize) {
    hash.update(tag);
    hash.update((length as u64).to_be_bytes());
}

fn feed_text(hash: &mut Sha256, tag: &[u8], text: &str) {
    feed_length(hash, tag, text.len());
    hash.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bare_and_quoted_are_the_same_key() {
        assert_eq!(Key::parse(b"abc-1").unwrap(), Key::parse(br#""abc-1""#).unwrap());
        assert_eq!(Key::parse(br#""a\"b""#).unwrap().as_str(), "a\"b");
        let longest = "x".repeat(MAX_KEY);
        assert_eq!(Key::parse(longest.as_bytes()).unwrap().as_str(), longest);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let long = "x".repeat(MAX_KEY + 1);
        for bad in ["", "\"\"", "a b", "\"open", "\"a\"b\"", "é", long.as_str(), "\"a\\x\""] {
            assert_eq!(Key::parse(bad.as_bytes()), Err(InvalidKey), "{bad}");
        }
    }

    #[test]
    fn order_of_members_does_not_matter_and_everything_else_does() {
        let base = json!({"a": 1, "b": {"c": [1, 2], "d": null}});
        assert_eq!(fingerprint(&base), fingerprint(&json!({"b": {"d": null, "c": [1, 2]}, "a": 1})));
        for other in [
            json!({"a": 2, "b": {"c": [1, 2], "d": null}}),
            json!({"a": 1, "b": {"c": [2, 1], "d": null}}),
            json!({"a": "1", "b": {"c": [1, 2], "d": null}}),
            json!({"a": 1, "b": {"c": [1, 2]}}),
        ] {
            assert_ne!(fingerprint(&base), fingerprint(&other), "{other}");
        }
        assert_ne!(fingerprint(&json!(["ab", "c"])), fingerprint(&json!(["a", "bc"])));
    }
}
