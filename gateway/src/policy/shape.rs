//! The outer shape of a request: lengths and framing that are refused before anything else looks at it.

use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderValue, TRANSFER_ENCODING};
use shared::problem::{Code, Problem};

use crate::config::Limits;

/// Refuses targets that are too long (414), header sections that are too large (431), and framing that two parsers
/// could read differently (400; RFC 9112, section 6.3).
pub fn check(head: &RequestHead, limits: &Limits) -> Result<(), Problem> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.url_bytes {
        return Err(Problem::new(Code::UriTooLong));
    }
    let headers = &head.headers;
    let bytes = |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
        name.as_str().len() + value.len()
    };
    if headers.len() > limits.header_count || headers.iter().map(bytes).sum::<usize>() > limits.header_bytes {
        return Err(Problem::new(Code::HeadersTooLarge));
    }
    let malformed = |detail| Err(Problem::new(Code::MalformedRequest).detail(detail));
    if headers.contains_key(TRANSFER_ENCODING) {
        if headers.contains_key(CONTENT_LENGTH) {
            return malformed("The request has both Content-Length and Transfer-Encoding.");
        }
        if head.version < Version::HTTP_11 {
            return malformed("HTTP/1.0 has no Transfer-Encoding.");
        }
        let chunked = |value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(b"chunked");
        if !headers.get_all(TRANSFER_ENCODING).all(|value| chunked(value.as_bytes())) {
            return malformed("The only transfer coding is chunked.");
        }
    }
    // RFC 9112, section 3.2.
    if head.version == Version::HTTP_11 && !headers.contains_key(HOST) {
        return malformed("An HTTP/1.1 request has a Host.");
    }
    let mut hosts = headers.get_all(HOST);
    let host = hosts.next();
    if !host.is_none_or(|host| is_authority(host.as_bytes())) || hosts.next().is_some() {
        return malformed("Host is one name or address, perhaps with a port.");
    }
    // An absolute target wins over Host (RFC 9112, section 3.2.2); that upstreams agree on it is more than we can hope.
    if let Some(authority) = head.uri.authority() {
        let same = |host: &HeaderValue| host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
        if !matches!(head.uri.scheme_str(), Some("http" | "https")) || !host.is_none_or(same) {
            return malformed("The request target names another host than Host.");
        }
    }
    check_expectation(head)
}

/// Refuses whatever a client expects beside being told when to send its body (417; RFC 9110, section 10.1.1).
fn check_expectation(head: &RequestHead) -> Result<(), Problem> {
    let known = |value: &HeaderValue| {
        value.as_bytes().split(|byte| *byte == b',').all(|word| word.trim_ascii().eq_ignore_ascii_case(b"100-continue"))
    };
    let met = head.version < Version::HTTP_11 || head.headers.get_all(EXPECT).all(known);
    if met { Ok(()) } else { Err(Problem::new(Code::ExpectationFailed)) }
}

/// Whether this is `uri-host [":" port]` (RFC 3986, section 3.2.2), without user information or escapes.
pub fn is_authority(text: &[u8]) -> bool {
    let (name, port) = match text.strip_prefix(b"[").and_then(|rest| Some(rest.split_at(memchr::memchr(b']', rest)?))) {
        Some((address, rest)) => (address, &rest[1..]),
        None => text.split_at(memchr::memchr(b':', text).unwrap_or(text.len())),
    };
    let is_address = text.starts_with(b"[") && name.len() < text.len() - 1;
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(byte);
    let name_holds = if is_address {
        name.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
    } else {
        name.iter().all(in_name)
    };
    let port_holds = port.is_empty() || port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit);
    !name.is_empty() && name_holds && port_holds
}

/// Refuses a body that says beforehand that it is too large (413).
pub fn check_length(head: &RequestHead, limit: u64) -> Result<Option<u64>, Problem> {
    let Some(length) = head.headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let length = length.to_str().ok().and_then(|length| length.trim().parse::<u64>().ok());
    let length = length.ok_or_else(|| Problem::new(Code::MalformedRequest).detail("Content-Length is no number."))?;
    if length > limit { Err(too_large(limit)) } else { Ok(Some(length)) }
}

/// 413 with the limit.
#[must_use]
pub fn too_large(limit: u64) -> Problem {
    Problem::new(Code::BodyTooLarge).detail(format!("The body is larger than this route's {limit} bytes."))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const LIMITS: Limits = Limits { url_bytes: 32, header_count: 4, header_bytes: 100, body_bytes: 10 };

    fn verdict(request: TestRequest) -> Option<Code> {
        let request = request.insert_header((HOST, "h")).to_http_request();
        check(request.head(), &LIMITS).err().map(|problem| problem.code())
    }

    #[test]
    fn lengths_and_framing() {
        let get = TestRequest::get;
        assert_eq!(verdict(get().uri("/api/users?page=1")), None);
        assert_eq!(verdict(get().uri(&format!("/{}", "x".repeat(32)))), Some(Code::UriTooLong));
        assert_eq!(verdict(get().insert_header(("x-a", "y".repeat(100)))), Some(Code::HeadersTooLarge));
        let many = (0..5).fold(get(), |request, n| request.append_header((format!("x-{n}"), "1")));
        assert_eq!(verdict(many), Some(Code::HeadersTooLarge));
        let both = get().insert_header((CONTENT_LENGTH, "3")).insert_header((TRANSFER_ENCODING, "chunked"));
        assert_eq!(verdict(both), Some(Code::MalformedRequest));
        for host in ["", "a b", "a/b", "a@b", "a,b", "a:b", "a:1:2", "[::1", "[::1]x", "[::1]:x", "a%2fb", ":80"] {
            let request = get().insert_header((HOST, host)).to_http_request();
            assert!(check(request.head(), &LIMITS).is_err(), "{host}");
        }
        for host in ["a", "a.example:8080", "[2001:db8::1]", "[::1]:80", "my_host", "127.0.0.1"] {
            let request = get().insert_header((HOST, host)).to_http_request();
            assert!(check(request.head(), &LIMITS).is_ok(), "{host}");
        }
        let two = get().insert_header((HOST, "h")).append_header((HOST, "other")).to_http_request();
        assert!(check(two.head(), &LIMITS).is_err());
        assert_eq!(verdict(get().insert_header((TRANSFER_ENCODING, "Chunked"))), None);
        assert_eq!(verdict(get().insert_header((TRANSFER_ENCODING, "identity"))), Some(Code::MalformedRequest));
    }

    #[test]
    fn one_host_and_one_expectation() {
        let verdict = |target: &str, expect: &[&'static str]| {
            let mut request = TestRequest::get().uri(target).insert_header((HOST, "h.example"));
            for value in expect {
                request = request.append_header((EXPECT, *value));
            }
            check(request.to_http_request().head(), &LIMITS).err().map(|problem| problem.code())
        };
        assert_eq!(verdict("http://H.example/x", &[]), None);
        for target in ["http://other/x", "http://h.example:81/x", "http://u@h.example/x", "ftp://h.example/x"] {
            assert_eq!(verdict(target, &[]), Some(Code::MalformedRequest), "{target}");
        }
        assert_eq!(verdict("/x", &["100-Continue"]), None);
        for expect in [&["other"][..], &["100-continue, other"], &["100-continue", "other"], &[""]] {
            assert_eq!(verdict("/x", expect), Some(Code::ExpectationFailed), "{expect:?}");
        }
    }

    #[test]
    fn a_body_that_announces_too_much_is_refused() {
        let of = |length: &str| {
            let request = TestRequest::post().insert_header((CONTENT_LENGTH, length)).to_http_request();
            check_length(request.head(), 10).map_err(|problem| problem.code())
        };
        assert_eq!(of("10"), Ok(Some(10)));
        assert_eq!(of("11"), Err(Code::BodyTooLarge));
        assert_eq!(of("x"), Err(Code::MalformedRequest));
    }
}
