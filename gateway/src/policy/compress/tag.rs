//! Entity tags on their way through a compressor (RFC 9110, section 8.8.3).

use actix_web::http::header::HeaderValue;

/// The weak form of a strong tag; `None` when it is weak already, or no tag.
#[must_use]
pub fn weak(tag: &HeaderValue) -> Option<HeaderValue> {
    let strong = tag.as_bytes();
    strong.starts_with(b"\"").then(|| HeaderValue::from_bytes(&[b"W/", strong].concat()).ok()).flatten()
}

/// A list of tags with the strong form before each weak one. For `If-Match`: its comparison is strong, so that a tag that
/// was weakened on the way out would never match again. One that an upstream weakened itself matches as little, or as
/// much, as before.
#[must_use]
pub fn both(tags: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(tags.len() * 2);
    let mut rest = tags;
    while let Some(at) = memchr::memchr(b'"', rest) {
        // Quotes cannot be escaped in a tag.
        let end = memchr::memchr(b'"', &rest[at + 1..]).map_or(rest.len(), |end| at + end + 2);
        match rest[..at].strip_suffix(b"W/") {
            Some(before) => {
                [before, &rest[at..end], b", W/", &rest[at..end]].iter().for_each(|part| made.extend(*part))
            }
            None => made.extend(&rest[..end]),
        }
        rest = &rest[end..];
    }
    made.extend(rest);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let weak = |text: &str| weak(&HeaderValue::from_str(text).unwrap()).map(|tag| tag.to_str().unwrap().to_owned());
        assert_eq!(weak("\"x\"").as_deref(), Some("W/\"x\""));
        assert_eq!(weak("W/\"x\""), None);
        assert_eq!(weak("x"), None);
        for (tags, made) in [
            ("\"x\"", "\"x\""),
            ("W/\"x\"", "\"x\", W/\"x\""),
            ("W/\"x\", \"y\",W/\"W/z\"", "\"x\", W/\"x\", \"y\",\"W/z\", W/\"W/z\""),
            ("\"a W/\", W/\"b\"", "\"a W/\", \"b\", W/\"b\""),
            ("*", "*"),
            ("W/", "W/"),
            ("W/\"x", "\"x, W/\"x"),
        ] {
            assert_eq!(both(tags.as_bytes()), made.as_bytes(), "{tags}");
        }
    }
}
