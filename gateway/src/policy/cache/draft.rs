//! Whether an answer may be kept, for whom, and what of it.

use std::time::SystemTime;

use actix_web::HttpResponse;
use actix_web::http::header::{
    AGE, CONTENT_RANGE, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, UPGRADE, VARY,
};
use actix_web::http::{Method, StatusCode};
use bytes::Bytes;

use super::asked::Asked;
use super::directives::{Directives, members};
use super::entry::{self, Head, Stored};
use super::key::{Audience, Key};
use super::tags::{self, CACHE_TAG, GROUP_INVALIDATION, SURROGATE_KEY};
use crate::upstream::convert::{self, Forward, Word};

/// What belongs to one exchange and not to the answer.
const OF_THE_EXCHANGE: [&str; 9] = [
    "server-timing",
    "cache-status",
    "traceresponse",
    "idempotent-replayed",
    "retry-after",
    "deprecation",
    "sunset",
    "proxy-status",
    "alt-svc",
];

/// Request headers that an answer may vary by. More are no variants any more.
const MAX_VARY: usize = 16;

/// What is kept of an answer, before its body is here.
pub struct Draft {
    /// Where it stands when it varies by nothing, and where the names stand that it varies by.
    pub primary: Key,
    head: Head,
}

impl Draft {
    /// What would be kept. `None`: nothing may be.
    #[must_use]
    pub fn of(
        asked: &Asked<'_>,
        answer: &HttpResponse,
        upstream: &str,
        forward: Forward<'_>,
        asked_at: SystemTime,
    ) -> Option<Self> {
        let (status, headers) = (answer.status(), answer.headers());
        if asked.head.method != Method::GET {
            return None;
        }
        let is_event_stream = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream"));
        if is_event_stream || [SET_COOKIE, CONTENT_RANGE, UPGRADE].iter().any(|name| headers.contains_key(name)) {
            return None;
        }
        let vary = vary(headers, forward)?;
        let mut named = tags::named(headers, upstream)?;
        named.extend_from_slice(&asked.tags);
        let directives = Directives::of(headers);
        let is_public = directives.has_any(&["public", "s-maxage"]) && !directives.has("private");
        let (audience, primary) = match (&asked.public, &asked.own) {
            (Some(public), _) if is_public => (Audience::Everybody, public),
            (_, Some((audience, own))) => (*audience, own),
            (_, None) => return None,
        };
        let ttl = asked.settings.ttl.filter(|_| !entry::says_something(headers) && is_complete(status));
        let variant = primary.variant(&vary, &asked.head.headers);
        let made = entry::made(headers, asked_at);
        let headers = kept(headers, asked_at);
        let head = Head { status, headers, audience, made, ttl, vary, variant, tags: named };
        let empty = Stored::new(head, Bytes::new());
        (empty.is_storable() && empty.is_useful()).then(|| Self { primary: primary.clone(), head: empty.head })
    }

    /// With its body.
    #[must_use]
    pub fn with(self, body: Bytes) -> Stored {
        Stored::new(self.head, body)
    }
}

/// Statuses that a route's default lifetime is for: those of a resource that is there.
fn is_complete(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
}

/// The names that an answer varies by. `None`: by something that no key can tell apart.
fn vary(headers: &HeaderMap, forward: Forward<'_>) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in headers.get_all(VARY) {
        for name in members(value.to_str().ok()?) {
            let name: HeaderName = name.parse().ok().filter(|_| name != "*")?;
            match convert::word(name.as_str(), forward) {
                Word::Client => names.push(name),
                // Part of every key, or the same for all.
                Word::Way | Word::Nobody => {}
                Word::Request => return None,
            }
        }
    }
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    (names.len() <= MAX_VARY).then_some(names)
}

fn kept(headers: &HeaderMap, asked_at: SystemTime) -> Vec<(HeaderName, HeaderValue)> {
    let pairs = headers.iter().filter(|(name, _)| is_kept(name));
    let mut kept: Vec<_> = pairs.map(|(name, value)| (name.clone(), value.clone())).collect();
    if !headers.contains_key(DATE) {
        kept.extend(entry::date(asked_at).map(|date| (DATE, date)));
    }
    kept
}

fn is_kept(name: &HeaderName) -> bool {
    ![AGE, SURROGATE_KEY, CACHE_TAG, GROUP_INVALIDATION].contains(name) && !OF_THE_EXCHANGE.contains(&name.as_str())
}

/// What of a 304 says something about the kept answer, and not about its own exchange.
#[must_use]
pub fn said(headers: &HeaderMap) -> HeaderMap {
    let of_it = |name: &HeaderName| (is_kept(name) && name != SET_COOKIE) || name == AGE;
    headers.iter().filter(|(name, _)| of_it(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}
