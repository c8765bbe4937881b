//! A stored answer: what it says of itself, and how long it may be believed.

use std::time::{Duration, SystemTime};

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, HeaderValue, HttpDate, LAST_MODIFIED,
};
use bytes::Bytes;
use http_cache_semantics::{AfterResponse, BeforeRequest, CacheOptions, CachePolicy};

use super::asked::Asked;
use super::directives::Directives;
use super::key::{Audience, Key};
use super::settings::Settings;

/// The headers that a revalidation does not change: they describe the body that stays (RFC 9111, section 3.2), or the
/// variant that it is.
const UNCHANGED: [&str; 5] = ["content-length", "content-encoding", "content-type", "content-range", "vary"];

/// What an answer needs beside its body to be given again.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The headers, as they go to clients.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// To whom it may be given.
    pub audience: Audience,
    /// When it was made: the upstream was asked then, less the age that it had already.
    pub made: SystemTime,
    /// How long it is fresh when it does not say so itself.
    pub ttl: Option<Duration>,
    /// The request headers that it varies by.
    pub vary: Vec<HeaderName>,
    /// Which variant it is: its key, with those headers.
    pub variant: Key,
    /// What it can be purged by.
    pub tags: Vec<String>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Stored {
    /// All but the body.
    pub head: Head,
    /// The body.
    pub body: Bytes,
    directives: Directives,
    policy: CachePolicy,
}

/// How a stored answer stands to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the answer.
    Fresh,
    /// It may be given once more, while a newer one is fetched.
    WhileRevalidating,
    /// The upstream must be asked.
    Stale,
}

impl Head {
    fn map(&self) -> HeaderMap {
        self.headers.iter().cloned().collect()
    }

    /// The rules for it. A route's default stands in where the upstream says nothing at all.
    pub(super) fn policy(&self, directives: &Directives) -> CachePolicy {
        let mut view = http::HeaderMap::new();
        for (name, value) in &self.headers {
            if [EXPIRES, DATE, LAST_MODIFIED, ETAG].contains(name)
                && let Ok(value) = http::HeaderValue::from_bytes(value.as_bytes())
                && let Ok(name) = http::HeaderName::from_bytes(name.as_str().as_bytes())
            {
                view.insert(name, value);
            }
        }
        let plain = match self.ttl {
            Some(ttl) => format!("max-age={}", ttl.as_secs()),
            None => directives.plain(),
        };
        insert(&mut view, http::header::CACHE_CONTROL, &plain);
        let mut answer = http::Response::new(());
        *answer.status_mut() = http::StatusCode::from_u16(self.status.as_u16()).unwrap_or_default();
        *answer.headers_mut() = view;
        let options = CacheOptions {
            shared: self.audience.is_shared(),
            // A guess from Last-Modified is nothing that the upstream has said.
            cache_heuristic: 0.0,
            ..CacheOptions::default()
        };
        CachePolicy::new_options(&http::Request::new(()), &answer, self.made, options)
    }
}

fn insert(view: &mut http::HeaderMap, name: http::HeaderName, text: &str) {
    if let Some(value) = Some(text).filter(|text| !text.is_empty()).and_then(|text| text.try_into().ok()) {
        view.insert(name, value);
    }
}

impl Stored {
    /// An answer with its body.
    #[must_use]
    pub fn new(head: Head, body: Bytes) -> Self {
        let directives = Directives::of(&head.map());
        let policy = head.policy(&directives);
        Self { head, body, directives, policy }
    }

    /// Whether it stands under this key for this request: it was made for the same one, and what it varies by is the
    /// same.
    #[must_use]
    pub fn is_for(&self, primary: &Key, asked: &Asked<'_>) -> bool {
        self.head.variant == primary.variant(&self.head.vary, &asked.head.headers)
    }

    /// Where it stands itself, if its kind stands at `primary`.
    #[must_use]
    pub fn key<'k>(&'k self, primary: &'k Key) -> &'k Key {
        if self.head.vary.is_empty() { primary } else { &self.head.variant }
    }

    /// How old it is.
    #[must_use]
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.head.made).unwrap_or_default()
    }

    /// How long it is fresh, from when it was made.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.policy.time_to_live(self.head.made)
    }

    /// How long it has been stale.
    #[must_use]
    pub fn staleness(&self, now: SystemTime) -> Duration {
        self.age(now).saturating_sub(self.lifetime())
    }

    /// Whether it is the answer to this request, now. The library decides; it knows `no-cache`, `max-age`, `min-fresh`
    /// and `max-stale` (RFC 9111, section 5.2.1).
    #[must_use]
    pub fn standing(&self, asked: &Asked<'_>, now: SystemTime) -> Standing {
        let fresh = if asked.directives.is_empty() {
            !self.policy.is_stale(now)
        } else {
            self.satisfies(&asked.directives, now)
        };
        if fresh {
            Standing::Fresh
        } else if !asked.insists() && self.within(self.while_revalidating(asked.settings), now) {
            Standing::WhileRevalidating
        } else {
            Standing::Stale
        }
    }

    fn satisfies(&self, directives: &Directives, now: SystemTime) -> bool {
        let mut request = http::Request::new(());
        // Of what forbids `max-stale` the library knows `must-revalidate` only.
        let plain = if self.forbids_stale() { directives.without("max-stale").plain() } else { directives.plain() };
        insert(request.headers_mut(), http::header::CACHE_CONTROL, &plain);
        matches!(self.policy.before_request(&request, now), BeforeRequest::Fresh(_))
    }

    /// Whether it says that it must not be used stale (RFC 9111, section 4.2.4).
    fn forbids_stale(&self) -> bool {
        let shared: &[&str] = if self.head.audience.is_shared() { &["proxy-revalidate", "s-maxage"] } else { &[] };
        self.directives.has_any(&["must-revalidate", "no-cache"]) || self.directives.has_any(shared)
    }

    /// A span of staleness that is allowed: the answer's own word, else the route's. `s-maxage` forbids the route's only:
    /// who writes both means both.
    fn span(&self, name: &str, by_route: Duration) -> Duration {
        let own = self.directives.seconds(name);
        if self.directives.has_any(&["must-revalidate", "proxy-revalidate", "no-cache"]) {
            return Duration::ZERO;
        }
        own.unwrap_or(if self.forbids_stale() { Duration::ZERO } else { by_route })
    }

    fn while_revalidating(&self, settings: &Settings) -> Duration {
        self.span("stale-while-revalidate", settings.while_revalidating)
    }

    fn if_error(&self, settings: &Settings) -> Duration {
        self.span("stale-if-error", settings.if_error)
    }

    fn within(&self, span: Duration, now: SystemTime) -> bool {
        !span.is_zero() && self.staleness(now) <= span
    }

    /// Whether it may stand in for an answer that cannot be had (RFC 5861, section 4).
    #[must_use]
    pub fn may_stand_in(&self, asked: &Asked<'_>, now: SystemTime) -> bool {
        let allowed = !self.forbids_stale();
        let by_client = if allowed { asked.if_error() } else { Duration::ZERO };
        let span = self.if_error(asked.settings).max(by_client).max(self.while_revalidating(asked.settings));
        self.within(span, now) || (self.staleness(now).is_zero() && !self.directives.has("no-cache"))
    }

    /// How long it is worth keeping: while it is fresh, while it may be used stale, and for `grace` as long as it has
    /// something that it can be revalidated with.
    #[must_use]
    pub fn keep_for(&self, settings: &Settings, grace: Duration, now: SystemTime) -> Duration {
        let stale = self.if_error(settings).max(self.while_revalidating(settings));
        let grace = if self.validators().next().is_some() { grace } else { Duration::ZERO };
        (self.lifetime() + stale.max(grace)).saturating_sub(self.age(now))
    }

    /// What an upstream can be asked with whether it has changed.
    pub fn validators(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.head.headers.iter().filter(|(name, _)| *name == ETAG || *name == LAST_MODIFIED)
    }

    /// The same answer, confirmed by a 304 (RFC 9111, section 4.3.4). `None`: that 304 is about another one.
    #[must_use]
    pub fn confirmed(&self, said: &HeaderMap, asked_at: SystemTime) -> Option<Self> {
        let mut not_modified = http::Response::new(());
        *not_modified.status_mut() = http::StatusCode::NOT_MODIFIED;
        let ours = self.head.map();
        // Who names no validator speaks of the one that it was asked with.
        let names_none = !said.contains_key(ETAG) && !said.contains_key(LAST_MODIFIED);
        for (name, its) in [(ETAG, http::header::ETAG), (LAST_MODIFIED, http::header::LAST_MODIFIED)] {
            if let Some(value) = if names_none { ours.get(name) } else { said.get(name) } {
                insert(not_modified.headers_mut(), its, value.to_str().unwrap_or_default());
            }
        }
        let judged = self.policy.after_response(&http::Request::new(()), &not_modified, asked_at);
        if !matches!(judged, AfterResponse::NotModified(..)) {
            return None;
        }
        let mut head = self.head.clone();
        let replaces = |name: &HeaderName| !UNCHANGED.contains(&name.as_str()) && said.contains_key(name);
        head.headers.retain(|(name, _)| !replaces(name));
        let fresh = said.iter().filter(|(name, _)| replaces(name));
        head.headers.extend(fresh.map(|(name, value)| (name.clone(), value.clone())));
        head.made = made(said, asked_at);
        if says_something(said) {
            head.ttl = None;
        }
        Some(Self::new(head, self.body.clone()))
    }

    /// Whether this library and these rules would keep it.
    #[must_use]
    pub fn is_storable(&self) -> bool {
        self.policy.is_storable()
    }

    /// Whether its freshness is worth anything to a second request.
    #[must_use]
    pub fn is_useful(&self) -> bool {
        !self.lifetime().is_zero() || self.validators().next().is_some()
    }
}

/// Whether an upstream says anything about how long its answer may be kept.
#[must_use]
pub fn says_something(headers: &HeaderMap) -> bool {
    [CACHE_CONTROL, EXPIRES, actix_web::http::header::PRAGMA].iter().any(|name| headers.contains_key(name))
}

/// When an answer was made: it was asked for then, and may have lain in other caches before (RFC 9111, section 4.2.3).
#[must_use]
pub fn made(headers: &HeaderMap, asked_at: SystemTime) -> SystemTime {
    const TEN_YEARS: u64 = 10 * 365 * 86_400;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse::<u64>().ok()).unwrap_or(0);
    asked_at.checked_sub(Duration::from_secs(age.min(TEN_YEARS))).unwrap_or(asked_at)
}

/// `Date` for an answer that came without one (RFC 9110, section 6.6.1).
#[must_use]
pub fn date(at: SystemTime) -> Option<HeaderValue> {
    HeaderValue::from_str(&HttpDate::from(at).to_string()).ok()
}
