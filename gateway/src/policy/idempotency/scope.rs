//! Whose key it is, and what tells one request from another under it.

use actix_web::http::Method;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use shared::problem::{Code, Problem};
use shared::store::idempotency::Digest;
use shared::wire::idempotency::{HEADER, Key};

use super::{Asked, fingerprint};
use crate::policy::authenticate::Principal;
use crate::policy::version::VersionRule;
use crate::route::Route;

/// `Idempotency-Key`
pub const KEY: HeaderName = HeaderName::from_static(HEADER);

/// The request's key, if it has one.
///
/// # Errors
/// 400 when it is none; two keys are no key.
pub fn key(headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let mut values = headers.get_all(KEY);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            Key::parse(value.as_bytes()).map(Some).map_err(|_| Problem::new(Code::IdempotencyKeyInvalid))
        }
        (Some(_), Some(_)) => Err(Problem::new(Code::IdempotencyKeyInvalid)),
    }
}

/// Caller, method, route and key. The route is its pattern without the version: what is retried on the next version is
/// still the same request, and what the path's parameters name is part of the fingerprint.
pub fn digest(principal: &Principal, method: &Method, route: &Route, key: &Key) -> Digest {
    let mut hash = Sha256::new();
    feed(&mut hash, principal.who().as_bytes());
    for part in [method.as_str(), &route.pattern, &route.upstream.name, key.as_str()] {
        feed(&mut hash, part.as_bytes());
    }
    hash.finalize().into()
}

/// The host's name (which may mean a tenant; its port says which gateway was asked), path without version, query, and the body: as parsed, if it is JSON, else as it came, with its type.
pub fn fingerprint(asked: &Asked<'_>, route: &Route, body: &[u8]) -> Digest {
    let headers = &asked.request.head().headers;
    let value = |name: HeaderName| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let path = match route.version {
        VersionRule::None => asked.path,
        VersionRule::All | VersionRule::Only(_) => {
            asked.versions.split(asked.path).map_or(asked.path, |asked| asked.rest)
        }
    };
    let mut hash = Sha256::new();
    feed(&mut hash, &name_of(value(HOST)).to_ascii_lowercase());
    feed(&mut hash, path.as_bytes());
    feed(&mut hash, asked.query.as_bytes());
    let plain = !headers.contains_key(CONTENT_ENCODING);
    match fingerprint::json(body).filter(|_| plain && is_json(value(CONTENT_TYPE))) {
        Some(parsed) => feed(&mut hash, &parsed),
        None => [value(CONTENT_TYPE), value(CONTENT_ENCODING), body].into_iter().for_each(|part| feed(&mut hash, part)),
    }
    hash.finalize().into()
}

/// A host without its port.
fn name_of(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| *byte == b':') {
        // The colons of an IPv6 address stand in brackets.
        Some(at) if !host[at..].contains(&b']') => &host[..at],
        Some(_) | None => host,
    }
}

/// `application/json` and every `…+json` (RFC 6839).
fn is_json(media_type: &[u8]) -> bool {
    let essence = media_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    essence == b"application/json" || essence.ends_with(b"+json")
}

/// Lengths go in before contents, so that no two different lists run together into the same bytes.
fn feed(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_a_name() {
        for (host, name) in
            [("a.example:8080", "a.example"), ("a.example", "a.example"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")]
        {
            assert_eq!(name_of(host.as_bytes()), name.as_bytes());
        }
    }

    #[test]
    fn what_is_json_says_so() {
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"] {
            assert!(is_json(yes.as_bytes()), "{yes}");
        }
        for no in ["", "text/plain", "application/jsonp", "application/x-www-form-urlencoded"] {
            assert!(!is_json(no.as_bytes()), "{no}");
        }
    }
}
