//! `Cache-Status`: where an answer came from (RFC 9211).

use std::fmt::Write;
use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::entry::Stored;

/// The header.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What this cache calls itself.
const NAME: &str = "tollgate";

/// Why a request went on to the upstream (RFC 9211, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// It is none for a cache.
    Bypass,
    /// Nothing is kept for it.
    Miss,
    /// What is kept is too old.
    Stale,
    /// The client wanted it to.
    Request,
}

impl Forwarded {
    const fn word(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'s> {
    /// The cache, with a reason if the answer is stale.
    Kept(&'s Stored, Option<&'static str>),
    /// Another request's call.
    Coalesced(&'s Stored),
    /// The upstream.
    Upstream(Forwarded, StatusCode, bool),
}

/// Says so, after whatever caches nearer to the origin have said.
pub fn announce(headers: &mut HeaderMap, source: Source<'_>, now: SystemTime) {
    let mut text = String::with_capacity(64);
    // Writing to a String cannot fail.
    let _ = match source {
        Source::Kept(stored, detail) => {
            let detail = detail.map(|detail| format!("; detail={detail}")).unwrap_or_default();
            write!(text, "{NAME}; hit; ttl={}{detail}", ttl(stored, now))
        }
        Source::Coalesced(stored) => write!(text, "{NAME}; fwd=miss; collapsed; ttl={}", ttl(stored, now)),
        Source::Upstream(reason, status, is_stored) => {
            let stored = if is_stored { "; stored" } else { "" };
            write!(text, "{NAME}; fwd={}; fwd-status={}{stored}", reason.word(), status.as_u16())
        }
    };
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(CACHE_STATUS, value);
    }
}

/// How much longer it is fresh, in seconds; negative when it no longer is.
fn ttl(stored: &Stored, now: SystemTime) -> i64 {
    let seconds = |span: std::time::Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    seconds(stored.lifetime()) - seconds(stored.age(now))
}
