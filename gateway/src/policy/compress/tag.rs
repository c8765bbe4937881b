//! Entity tags on their way through a compressor (RFC 9110, section 8.8.3).

use actix_web::http::header::HeaderValue;

/// The weak form of a strong tag; `None` when it is weak already, or no tag.
#[must_use]
pub fn weak(tag: &HeaderValue) -> Option<HeaderValue> {
    let strong = tag.as_bytes();
    strong.starts_with(b"\"").then(|| HeaderValue::from_bytes(&[b"W/", strong].concat()).ok()).flatten()
}

/// A list of tags with each weak one made strong. For `If-Match`: its comparison is strong, so that a tag that was
/// weakened on the way out would never match again. One that an upstream weakened itself matches as little as before.
#[must_use]
pub fn strong(tags: &[u8]) -> Vec<u8> {
    let (mut made, mut quoted, mut rest) = (Vec::with_capacity(tags.len()), false, tags);
    while let Some((&byte, behind)) = rest.split_first() {
        if !quoted && rest.starts_with(b"W/\"") {
            rest = &rest[2..];
            continue;
        }
        quoted ^= byte == b'"';
        made.push(byte);
        rest = behind;
    }
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
            ("W/\"x\"", "\"x\""),
            ("W/\"x\", \"y\",W/\"W/z\"", "\"x\", \"y\",\"W/z\""),
            ("\"a W/\", W/\"b\"", "\"a W/\", \"b\""),
            ("*", "*"),
            ("W/", "W/"),
        ] {
            assert_eq!(strong(tags.as_bytes()), made.as_bytes(), "{tags}");
        }
    }
}
