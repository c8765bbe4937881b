//! One canonical form for every path, so that what is matched is what is sent on (RFC 3986, section 6.2.2).

use std::borrow::Cow;

/// A path that could mean different things to different parsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AmbiguousPath(&'static str);

const DOTS: AmbiguousPath = AmbiguousPath("The path has a `.` or `..` segment.");
const EMPTY: AmbiguousPath = AmbiguousPath("The path has an empty segment.");
const ENCODED: AmbiguousPath = AmbiguousPath("The path has an encoded slash, backslash or control character.");
const TWICE: AmbiguousPath = AmbiguousPath("The path has a dot, slash, backslash or NUL that is encoded twice.");
const RAW: AmbiguousPath = AmbiguousPath("The path has a character that must be encoded.");
const ESCAPE: AmbiguousPath = AmbiguousPath("The path has a `%` without two hexadecimal digits.");
const TEXT: AmbiguousPath = AmbiguousPath("The path's escapes are no UTF-8.");
const RELATIVE: AmbiguousPath = AmbiguousPath("The request target is not a path.");

/// Refuses what is ambiguous and decodes what need not be encoded. Borrows when there is nothing to change, which is
/// nearly always.
pub fn canonical(path: &str) -> Result<Cow<'_, str>, AmbiguousPath> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(RELATIVE);
    }
    let mut encoded = false;
    let mut previous = b' ';
    for &byte in bytes {
        match byte {
            b'%' => encoded = true,
            b'/' if previous == b'/' => return Err(EMPTY),
            b'\\' | 0..=b' ' | 0x7f.. | b'"' | b'#' | b'?' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                return Err(RAW);
            }
            _ => {}
        }
        previous = byte;
    }
    let path = if encoded { Cow::Owned(decode(bytes)?) } else { Cow::Borrowed(path) };
    if encoded && percent_encoding::percent_decode_str(&path).decode_utf8().is_err() {
        return Err(TEXT);
    }
    if has_dot_segment(&path) { Err(DOTS) } else { Ok(path) }
}

fn has_dot_segment(path: &str) -> bool {
    // Some servers take `..;x` for `..` with a parameter.
    let name = |segment: &str| matches!(segment.split_once(';').map_or(segment, |(name, _)| name), "." | "..");
    path.contains("/.") && path.split('/').any(name)
}

/// Decodes unreserved characters and writes the other escapes in capitals.
fn decode(bytes: &[u8]) -> Result<String, AmbiguousPath> {
    let mut path = String::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            path.push(char::from(byte));
            continue;
        }
        let (Some(high), Some(low)) = (rest.next().and_then(|b| hex(*b)), rest.next().and_then(|b| hex(*b))) else {
            return Err(ESCAPE);
        };
        match high << 4 | low {
            b'/' | b'\\' | 0..=0x1f | 0x7f => return Err(ENCODED),
            b'%' if is_separator(rest.as_slice()) => return Err(TWICE),
            plain if plain.is_ascii_alphanumeric() || matches!(plain, b'-' | b'.' | b'_' | b'~') => {
                path.push(char::from(plain));
            }
            _ => {
                path.push('%');
                path.push(digit(high));
                path.push(digit(low));
            }
        }
    }
    Ok(path)
}

/// Whether decoding once more would make a separator of what follows a percent sign. Whoever decodes twice would see
/// another path.
const fn is_separator(rest: &[u8]) -> bool {
    matches!(rest, [b'2', b'e' | b'E' | b'f' | b'F', ..] | [b'5', b'c' | b'C', ..] | [b'0', b'0', ..])
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).map_or('0', |c| c.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_borrowed_and_needless_escapes_decoded() {
        assert!(matches!(canonical("/api/v1/users/me"), Ok(Cow::Borrowed("/api/v1/users/me"))));
        assert!(matches!(canonical("/.well-known/jwks.json"), Ok(Cow::Borrowed(_))));
        for (path, expected) in [
            ("/", "/"),
            ("/api/", "/api/"),
            ("/%61pi/v1/%75sers", "/api/v1/users"),
            ("/a%2db/%7eme/%c3%a9", "/a-b/~me/%C3%A9"),
            ("/a%20b%3f", "/a%20b%3F"),
            ("/a/..b/c..", "/a/..b/c.."),
            ("/a%25b;x=../%2524", "/a%25b;x=../%2524"),
        ] {
            assert_eq!(canonical(path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn what_is_matched_is_what_an_upstream_is_asked_for() {
        for byte in 0..=u8::MAX {
            for path in [format!("/a{}b", char::from(byte)), format!("/a%{byte:02x}b"), format!("/a/.%{byte:02X}")] {
                if let Ok(path) = canonical(&path) {
                    let url = reqwest::Url::parse(&format!("http://x{path}")).unwrap();
                    assert_eq!(url.path(), path);
                    assert_eq!(canonical(&path).as_deref(), Ok(&*path), "it is canonical");
                }
            }
        }
    }

    #[test]
    fn whatever_two_parsers_could_read_differently_is_refused() {
        for path in [
            "",
            "*",
            "users",
            "/a/../b",
            "/..",
            "/a/.",
            "/./a",
            "/a/%2e%2e/b",
            "/a/%2E./b",
            "/.%2e",
            "//",
            "/a//b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a\u{0}b",
            "/a%0d%0aX:1",
            "/a%7f",
            "/a%c0%af",
            "/a%fe",
            "/a/%252e%252E/b",
            "/a%252Fb",
            "/a%255cb",
            "/a%2500",
            "/a/..;/b",
            "/a/.;x=y",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a b",
            "/é",
            "/a\"b",
        ] {
            assert!(canonical(path).is_err(), "{path:?}");
        }
    }
}
