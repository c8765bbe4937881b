//! What a request asks of the cache, or why it passes by.

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
    TRANSFER_ENCODING, UPGRADE,
};

use super::directives::Directives;
use super::entry::Stored;
use super::key::{Audience, Key, Keys};
use super::settings::Settings;
use super::status::Forwarded;
use super::tags;
use super::turn::Turn;

/// What makes a request one that no stored answer is for.
const OTHER: [HeaderName; 7] = [RANGE, IF_RANGE, IF_MATCH, IF_UNMODIFIED_SINCE, UPGRADE, EXPECT, TRANSFER_ENCODING];

/// A request that a stored answer may be for.
pub struct Asked<'t> {
    /// The client's request.
    pub head: &'t RequestHead,
    /// The route's rules.
    pub settings: &'t Arc<Settings>,
    /// The client's `Cache-Control`.
    pub directives: Directives,
    /// Where public answers are kept, on a route that shares them.
    pub public: Option<Key>,
    /// Where this caller's are kept; `None` for credentials that the gateway has not checked itself.
    pub own: Option<(Audience, Key)>,
    /// The tags that are known before there is an answer.
    pub tags: Vec<String>,
}

impl<'t> Asked<'t> {
    /// Reads a request. `None`: it passes by.
    #[must_use]
    pub fn of(turn: &Turn<'t>, settings: &'t Arc<Settings>) -> Option<Self> {
        let head = turn.call.head;
        if !matches!(head.method, Method::GET | Method::HEAD) || is_other(&head.headers) {
            return None;
        }
        let directives = Directives::of(&head.headers);
        if directives.has("no-store") {
            return None;
        }
        let Keys { public, own } = Keys::of(turn.call, settings)?;
        if public.is_none() && own.is_none() {
            return None;
        }
        let path = tags::resource(turn.tables, turn.call.path);
        let mut tags = Vec::with_capacity(1 + settings.tags.len());
        tags.push(tags::path_tag(&turn.route.upstream.name, path));
        tags.extend_from_slice(&settings.tags);
        Some(Self { head, settings, directives, public, own, tags })
    }

    /// Where an answer may stand, most widely shared first.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.public.iter().chain(self.own.iter().map(|(_, key)| key))
    }

    /// Where requests like this one meet.
    #[must_use]
    pub fn meeting_point(&self) -> Option<&Key> {
        self.keys().next()
    }

    /// Whether the client wants nothing but what is kept.
    #[must_use]
    pub fn only_if_cached(&self) -> bool {
        self.directives.has("only-if-cached")
    }

    /// Whether the client says how fresh the answer has to be. It then neither gets a stale one nor shares another's.
    #[must_use]
    pub fn insists(&self) -> bool {
        self.directives.has_any(&["no-cache", "max-age", "min-fresh"])
    }

    /// Whether it waits for an answer that another is fetching.
    #[must_use]
    pub fn may_share(&self) -> bool {
        self.head.method == Method::GET && !self.insists()
    }

    /// Why it goes on to the upstream.
    #[must_use]
    pub fn reason(&self, stored: Option<&Stored>) -> Forwarded {
        match stored {
            None => Forwarded::Miss,
            Some(_) if self.insists() => Forwarded::Request,
            Some(_) => Forwarded::Stale,
        }
    }

    /// How stale the client takes an answer when there is no other (RFC 5861, section 4).
    #[must_use]
    pub fn if_error(&self) -> Duration {
        self.directives.seconds("stale-if-error").unwrap_or_default()
    }
}

fn is_other(headers: &HeaderMap) -> bool {
    // What `Connection` names does not reach the upstream, so the answer would not be the one that its headers ask for.
    let options = headers.get_all(CONNECTION).flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let mut options = options.map(<[u8]>::trim_ascii).filter(|option| !option.is_empty());
    let plain =
        options.all(|option| option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive"));
    let is_stream = headers.get_all(ACCEPT).any(|value| value.as_bytes().eq_ignore_ascii_case(b"text/event-stream"));
    let has_body = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    !plain || is_stream || has_body || OTHER.iter().any(|name| headers.contains_key(name))
}
