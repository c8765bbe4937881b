//! The client's own data: kept as it was written, so it must be read alike by whoever gets it.

use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use shared::problem::{Code, Problem};

/// Bytes, as it was sent.
const MAX_BYTES: usize = 8 * 1024;

/// Objects and arrays inside one another. It is shown to the other side too, whose reader may be a simple one; common
/// ones give up at 100 and more.
const MAX_DEPTH: usize = 16;

/// Refuses what is no object, too large, too deep, or says a member twice.
pub fn check(raw: &RawValue) -> Result<(), Problem> {
    let text = raw.get();
    if !text.starts_with('{') || text.len() > MAX_BYTES {
        let detail = format!("a JSON object of at most {MAX_BYTES} bytes");
        return Err(Problem::new(Code::ValidationFailed).error("/metadata", "object", detail));
    }
    if deepest(text) > MAX_DEPTH {
        let detail = format!("at most {MAX_DEPTH} levels");
        return Err(Problem::new(Code::ValidationFailed).error("/metadata", "depth", detail));
    }
    if says_twice(raw) {
        return Err(Problem::new(Code::MalformedBody).error("/metadata", "repeated", "a member stands twice"));
    }
    Ok(())
}

/// Levels of a text that is known to be JSON. Counted without recursion, before anything recurses.
fn deepest(text: &str) -> usize {
    let (mut level, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                level += 1;
                deepest = deepest.max(level);
            }
            b'}' | b']' if !quoted => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Whether an object in `raw`, which is no deeper than [`MAX_DEPTH`], has a member twice. Numbers stay unread: one that
/// is too large for us is the client's own.
fn says_twice(raw: &RawValue) -> bool {
    let text = raw.get();
    if text.starts_with('[') {
        return serde_json::from_str::<Vec<&RawValue>>(text).is_ok_and(|items| items.into_iter().any(says_twice));
    }
    let Ok(Members(members)) = serde_json::from_str(text) else { return false };
    let mut names = HashSet::new();
    members.into_iter().any(|(name, value)| !names.insert(name) || says_twice(value))
}

/// An object's members as they stand, the repeated ones too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = from.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<Code> {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        check(&raw).err().map(|problem| problem.code())
    }

    #[test]
    fn what_readers_would_read_differently_is_refused() {
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        for sound in [
            "{}",
            r#"{"a": [1, 2.5, -3, null, true, "x\"{[\\"], "b": {"a": {}}}"#,
            r#"{"n": 1e400}"#,
            &nested(MAX_DEPTH),
        ] {
            assert_eq!(refused(sound), None, "{sound}");
        }
        let large = format!("{{\"a\": \"{}\"}}", "x".repeat(MAX_BYTES));
        for bad in ["[]", "null", "5", &large, &nested(MAX_DEPTH + 1), &nested(4_000)] {
            assert_eq!(refused(bad), Some(Code::ValidationFailed), "{bad}");
        }
        for twice in [r#"{"a": 1, "a": 2}"#, r#"{"b": [{"a": 1, "\u0061": 2}]}"#] {
            assert_eq!(refused(twice), Some(Code::MalformedBody), "{twice}");
        }
    }
}
