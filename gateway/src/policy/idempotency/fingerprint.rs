//! The fingerprint of JSON: members in any order are the same request, numbers count as they are written.
//!
//! Our own services know which numbers they take; what lies behind a route here may read `1e2`, or more digits than a
//! double holds, or the first of two members of one name. So nothing is told apart less finely than the text does.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use shared::store::idempotency::Digest;

/// Each level is looked at once more: deeper bodies count as they came.
const MAX_DEPTH: usize = 32;

/// SHA-256 over the parsed body with members sorted by name. `None`: it is no JSON, or nested too deeply.
pub fn json(body: &[u8]) -> Option<Digest> {
    let whole: &RawValue = serde_json::from_slice(body).ok()?;
    let mut hash = Sha256::new();
    feed(&mut hash, whole, MAX_DEPTH)?;
    Some(hash.finalize().into())
}

fn feed(hash: &mut Sha256, value: &RawValue, depth: usize) -> Option<()> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'{' => {
            let Members(mut members) = serde_json::from_str(text).ok()?;
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            length(hash, b"o", members.len());
            members.into_iter().try_for_each(|(name, member)| {
                word(hash, b"k", &name);
                feed(hash, member, depth.checked_sub(1)?)
            })
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            length(hash, b"a", items.len());
            items.into_iter().try_for_each(|item| feed(hash, item, depth.checked_sub(1)?))
        }
        b'"' => {
            let Text(inner) = serde_json::from_str(text).ok()?;
            word(hash, b"s", &inner);
            Some(())
        }
        // A number, true, false or null.
        _ => {
            word(hash, b"v", text);
            Some(())
        }
    }
}

/// Lengths go in before contents, so that no two different values run together into the same bytes.
fn length(hash: &mut Sha256, tag: &[u8], length: usize) {
    hash.update(tag);
    hash.update((length as u64).to_be_bytes());
}

fn word(hash: &mut Sha256, tag: &[u8], text: &str) {
    length(hash, tag, text.len());
    hash.update(text.as_bytes());
}

#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object's members in the order they came, also those of one name.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_spelling_do_not_matter_and_everything_else_does() {
        let base = json(br#"{"a": 1.0, "b": {"c": [1, "x/y"], "d": null}}"#);
        assert!(base.is_some());
        for same in [
            r#"{"b":{"d":null,"c":[1,"x\/y"]},"a":1.0}"#,
            " {\n\"\\u0061\": 1.0, \"b\": {\"c\": [1, \"x/y\"], \"d\": null}} ",
        ] {
            assert_eq!(json(same.as_bytes()), base, "{same}");
        }
        for other in [
            r#"{"a": 1.00, "b": {"c": [1, "x/y"], "d": null}}"#,
            r#"{"a": 1.0, "b": {"c": ["x/y", 1], "d": null}}"#,
            r#"{"a": "1.0", "b": {"c": [1, "x/y"], "d": null}}"#,
            r#"{"a": 1.0, "b": {"c": [1, "x/y"]}}"#,
            r#"{"a": 2, "a": 1.0, "b": {"c": [1, "x/y"], "d": null}}"#,
        ] {
            assert_ne!(json(other.as_bytes()), base, "{other}");
        }
        let digits = |text: &str| json(text.as_bytes()).unwrap();
        assert_ne!(digits("100000000000000000001"), digits("100000000000000000002"), "more than a double holds");
        assert_ne!(digits(r#"["ab","c"]"#), digits(r#"["a","bc"]"#));
        assert_ne!(digits(r#"{"a":1,"a":2}"#), digits(r#"{"a":2,"a":1}"#), "who knows which of them counts");
    }

    #[test]
    fn what_is_no_json_or_a_bomb_has_none() {
        for text in ["", "{", "{} x", "nul", "\u{feff}{}"] {
            assert_eq!(json(text.as_bytes()), None, "{text}");
        }
        assert_eq!(json(b"\"\xff\""), None);
        assert!(
            json("[".repeat(30).as_bytes()).is_none()
                && json((0..30).map(|_| "[").chain((0..30).map(|_| "]")).collect::<String>().as_bytes()).is_some()
        );
        let bomb = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        assert_eq!(json(bomb.as_bytes()), None);
    }
}
