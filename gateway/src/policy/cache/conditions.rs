//! The client's own conditions, answered by the gateway from what it keeps (RFC 9110, section 13; RFC 9111, 4.3.2).

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, HttpDate, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

/// What a 304 leaves out: all that describes the body that it does not bring (RFC 9110, section 15.4.5).
const OF_THE_BODY: [&str; 5] =
    ["content-type", "content-encoding", "content-language", "content-range", "content-length"];

/// Whether the client has this very answer already.
#[must_use]
pub fn has_it(request: &HeaderMap, status: StatusCode, answer: &HeaderMap) -> bool {
    if status != StatusCode::OK {
        return false;
    }
    let mut named = request.get_all(IF_NONE_MATCH).peekable();
    if named.peek().is_some() {
        let tag = answer.get(ETAG).map(|tag| weak(tag.as_bytes()));
        return named.any(|value| is_named(value.as_bytes(), tag));
    }
    match (date(request.get(IF_MODIFIED_SINCE)), date(answer.get(LAST_MODIFIED))) {
        (Some(seen), Some(modified)) => modified <= seen,
        _ => false,
    }
}

/// Drops what a 304 does not say.
pub fn strip(headers: &mut HeaderMap) {
    for name in OF_THE_BODY {
        headers.remove(HeaderName::from_static(name));
    }
}

/// Whether a list of tags has `*`, or this one by weak comparison. Tags may hold commas.
fn is_named(list: &[u8], tag: Option<&[u8]>) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    let Some(tag) = tag else { return false };
    while !rest.is_empty() {
        let begin = weak(rest);
        let Some(length) = begin.get(1..).and_then(|text| text.iter().position(|b| *b == b'"')) else { return false };
        let (this, behind) = begin.split_at(length + 2);
        if this == tag {
            return true;
        }
        rest = behind.trim_ascii_start();
        rest = rest.strip_prefix(b",").unwrap_or_default().trim_ascii_start();
    }
    false
}

fn weak(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

fn date(value: Option<&HeaderValue>) -> Option<HttpDate> {
    value?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(request: &[(HeaderName, &str)], answer: &[(HeaderName, &str)]) -> bool {
        let map = |pairs: &[(HeaderName, &str)]| {
            pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
        };
        has_it(&map(request), StatusCode::OK, &map(answer))
    }

    #[test]
    fn tags_are_compared_weakly_and_before_dates() {
        for (list, tag, expected) in [
            ("\"a\"", "\"a\"", true),
            ("W/\"a\"", "\"a\"", true),
            ("\"b\", W/\"a\"", "W/\"a\"", true),
            ("\"x,y\" , \"a\"", "\"a\"", true),
            ("*", "\"a\"", true),
            ("\"b\"", "\"a\"", false),
            ("\"a", "\"a\"", false),
            ("a", "\"a\"", false),
            ("\"\"", "\"a\"", false),
        ] {
            assert_eq!(holds(&[(IF_NONE_MATCH, list)], &[(ETAG, tag)]), expected, "{list}");
        }
        let late = "Sat, 21 Nov 2026 08:00:00 GMT";
        let both = [(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, late)];
        assert!(!holds(&both, &[(ETAG, "\"a\""), (LAST_MODIFIED, late)]));
        assert!(!holds(&[(IF_NONE_MATCH, "\"b\"")], &[]));
    }

    #[test]
    fn dates_count_where_there_are_no_tags() {
        let (early, late) = ("Sat, 21 Nov 2026 08:00:00 GMT", "Sat, 21 Nov 2026 08:00:01 GMT");
        assert!(holds(&[(IF_MODIFIED_SINCE, late)], &[(LAST_MODIFIED, early)]));
        assert!(holds(&[(IF_MODIFIED_SINCE, early)], &[(LAST_MODIFIED, early)]));
        assert!(!holds(&[(IF_MODIFIED_SINCE, early)], &[(LAST_MODIFIED, late)]));
        assert!(!holds(&[(IF_MODIFIED_SINCE, "0")], &[(LAST_MODIFIED, late)]));
        assert!(!has_it(&HeaderMap::new(), StatusCode::OK, &HeaderMap::new()));
    }
}
