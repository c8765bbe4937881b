//! `Accept` (RFC 9110, section 12.5.1): what is refused because the client could not use the answer.

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};

use crate::problem::CONTENT_TYPE_PROBLEM;
use crate::wire::API_PREFIX;

const JSON: &str = "application/json";

/// Whether a request may be worked on: one that writes must learn before it does that its answer, always JSON, is
/// none that the client takes. What only reads is judged by what it answers with, see [`takes`].
#[must_use]
pub fn may_write(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let answered = matches!(*method, Method::POST | Method::PUT | Method::PATCH);
    !(answered && is_ruled(path, headers)) || accepts(headers, JSON)
}

/// Whether the client takes JSON.
#[must_use]
pub fn accepts_json(headers: &HeaderMap) -> bool {
    accepts(headers, JSON)
}

/// Whether the client takes this answer to what only reads.
pub(super) fn takes(path: &str, asked: &HeaderMap, answer: &HeaderMap) -> bool {
    let kind = answer.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    !is_ruled(path, asked) || kind.is_none_or(|kind| accepts(asked, essence(kind)))
}

/// Only the API negotiates: key sets, documents, probes and scrapes have one form, and clients of all kinds.
fn is_ruled(path: &str, headers: &HeaderMap) -> bool {
    headers.contains_key(ACCEPT) && path.starts_with(API_PREFIX)
}

/// Whether the most specific range that covers `kind` has a weight above zero. Whoever takes problems takes JSON.
fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let mut best = None;
    let mut ranges = 0;
    for range in headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')) {
        let range = range.trim();
        if range.is_empty() {
            continue;
        }
        ranges += 1;
        if let Some(specificity) = covers(essence(range), kind) {
            best = best.max(Some((specificity, !is_weightless(range))));
        }
    }
    // An empty list asks for nothing in particular.
    ranges == 0 || best.is_some_and(|(_, wanted)| wanted)
}

fn covers(range: &str, kind: &str) -> Option<u8> {
    let (main, _) = kind.split_once('/')?;
    if range.eq_ignore_ascii_case(kind) {
        Some(3)
    } else if kind == JSON && range.eq_ignore_ascii_case(CONTENT_TYPE_PROBLEM) {
        Some(2)
    } else if range.strip_suffix("/*").is_some_and(|of| of.eq_ignore_ascii_case(main)) {
        Some(1)
    } else if range == "*/*" || range == "*" {
        Some(0)
    } else {
        None
    }
}

fn essence(kind: &str) -> &str {
    kind.split(';').next().unwrap_or_default().trim()
}

fn is_weightless(range: &str) -> bool {
    let weight = |parameter: &str| parameter.trim().strip_prefix(['q', 'Q'])?.strip_prefix('=')?.parse::<f32>().ok();
    range.split(';').skip(1).find_map(weight).is_some_and(|q| q <= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn takes_json(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        may_write(&Method::POST, "/api/v1/users", &headers)
    }

    #[test]
    fn json_is_refused_only_when_nothing_asked_for_covers_it() {
        for taken in [
            "*/*",
            "",
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/*;q=0.1",
            "application/problem+json",
            "text/html, application/xhtml+xml, */*;q=0.8",
            "text/xml, application/json;q=0.001",
            "application/json;q=1, */*;q=0",
        ] {
            assert!(takes_json(taken), "{taken}");
        }
        for refused in ["text/xml", "*/*;q=0", "application/json;q=0, */*", "text/*", "application/json; q=0.000", "x"]
        {
            assert!(!takes_json(refused), "{refused}");
        }
    }

    #[test]
    fn what_reads_is_judged_by_its_answer_and_only_under_api() {
        let headers = |name, value| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            headers
        };
        let asked = headers(ACCEPT, "text/csv");
        assert!(takes("/api/v1/accounts", &asked, &headers(CONTENT_TYPE, "text/csv; charset=utf-8")));
        assert!(!takes("/api/v1/accounts", &asked, &headers(CONTENT_TYPE, "application/json")));
        assert!(takes("/metrics", &asked, &headers(CONTENT_TYPE, "text/plain; version=0.0.4")));
        assert!(takes("/api/v1/accounts", &asked, &HeaderMap::new()), "no body, no type");
        assert!(may_write(&Method::DELETE, "/api/v1/users/me", &asked) && may_write(&Method::GET, "/api/x", &asked));
    }
}
