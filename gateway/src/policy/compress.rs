//! Answers made smaller for clients that ask for it (RFC 9110, sections 8.4 and 12.5.3).
//!
//! What is compressed gets a weak `ETag`, because the same representation may be packed differently next time. Such a tag
//! comes back in `If-Match`, which compares strongly, and in `If-None-Match`, which some servers compare strongly too: on
//! its way to the upstream (`upstream::convert`) its strong form, which the upstream knows, is put beside it.

mod accept;
mod body;
mod encoder;
mod kept;
pub mod tag;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpResponse;
use actix_web::body::{self as actix_body, BodySize, BoxBody, MessageBody};
use actix_web::dev::RequestHead;
use actix_web::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderValue, IF_NONE_MATCH, UPGRADE, VARY,
};
use actix_web::http::{Method, StatusCode, Version};

use crate::admin::metrics::compression::Counters;
use crate::config::{self, Coding};
use crate::policy::lasting::is_event_stream;
use body::{Held, Packing};
use encoder::{Encoder, Levels};
use kept::Kept;
pub use kept::Same;

/// Digests of what is sent: whoever changes that would have to sign it anew (RFC 9530, RFC 3230, RFC 1864).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// The compiled policy.
#[derive(Debug)]
pub struct Compression {
    /// Ours first: among equals in the client's eyes the first is taken. Empty: nothing is compressed.
    codings: Vec<Coding>,
    types: Types,
    above: u64,
    levels: Levels,
    inline: usize,
    streams: Arc<Streams>,
    kept: Kept,
}

/// How many answers are being compressed while they are made. Each holds a window and tables.
#[derive(Debug)]
struct Streams {
    now: AtomicUsize,
    most: usize,
}

/// One of them.
#[derive(Debug)]
struct Place(Arc<Streams>);

impl Streams {
    fn enter(self: &Arc<Self>) -> Option<Place> {
        let place = Place(Arc::clone(self));
        (self.now.fetch_add(1, Ordering::AcqRel) < self.most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Compression {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(config: &config::Compression) -> Self {
        Self {
            codings: if config.enabled { config.codings.clone() } else { Vec::new() },
            types: Types::compile(&config.types),
            above: config.above_bytes,
            levels: Levels { zstd: config.zstd_level, brotli: config.brotli_level, gzip: config.gzip_level },
            inline: config.inline_bytes,
            streams: Arc::new(Streams { now: AtomicUsize::new(0), most: config.max_streams }),
            kept: Kept::default(),
        }
    }

    /// Whether anything is compressed at all.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.codings.is_empty()
    }

    /// The codings on offer, for people.
    #[must_use]
    pub fn offer(&self) -> String {
        self.codings.iter().map(|coding| coding.name()).collect::<Vec<_>>().join(", ")
    }

    /// The answer as this client gets it.
    pub fn apply(&self, head: &RequestHead, mut answer: HttpResponse, counters: &Counters) -> HttpResponse {
        if !self.is_on() {
            return answer;
        }
        if answer.status() == StatusCode::NOT_MODIFIED {
            unchanged(head, answer.headers_mut());
            return answer;
        }
        let size = answer.body().size();
        if matches!(size, BodySize::None | BodySize::Sized(0)) || !may_change(head, &answer) {
            return answer;
        }
        let choice = accept::choose(head.headers.get_all(ACCEPT_ENCODING).map(HeaderValue::as_bytes), &self.codings);
        let is_worth_it = !matches!(size, BodySize::Sized(length) if length <= self.above)
            && answer.headers().get(CONTENT_TYPE).is_some_and(|kind| self.types.hold(kind.as_bytes()));
        // Who refuses what is not compressed gets compressed whatever can be.
        if !is_worth_it && choice.identity {
            return answer;
        }
        vary(answer.headers_mut());
        match choice.coding {
            Some(coding) if head.method == Method::HEAD => described(coding, answer),
            Some(coding) => self.packed(coding, head, size, answer, counters),
            None => answer,
        }
    }

    fn packed(
        &self,
        coding: Coding,
        head: &RequestHead,
        size: BodySize,
        answer: HttpResponse,
        counters: &Counters,
    ) -> HttpResponse {
        let same = answer.extensions().get::<Same>().cloned();
        let (mut answer, mut body) = answer.into_parts();
        if let Some(name) = same {
            let bytes = match body.try_into_bytes() {
                Ok(bytes) => bytes,
                Err(body) => return answer.set_body(body),
            };
            if let Some(packed) = self.kept.find(&name, coding, self.levels, &bytes) {
                counters.of(coding).count(bytes.len(), packed.len());
                announce(coding, answer.headers_mut());
                return answer.set_body(packed).map_into_boxed_body();
            }
            body = BoxBody::new(bytes);
        }
        let held = match size {
            BodySize::Sized(length) if length <= self.inline as u64 => Held::whole(&mut body, length),
            BodySize::Sized(_) | BodySize::Stream | BodySize::None => Held::Nothing,
        };
        let counters = counters.of(coding);
        let packed = match held {
            Held::Whole(bytes) => match encoder::whole(coding, self.levels, &bytes) {
                Ok(packed) => {
                    counters.count(bytes.len(), packed.len());
                    BoxBody::new(body::Whole::new(packed, body))
                }
                Err(error) => {
                    tracing::warn!(%error, "an answer could not be compressed");
                    return answer.set_body(body::Whole::new(bytes, body)).map_into_boxed_body();
                }
            },
            // Its end could only be told by closing the connection.
            Held::Nothing | Held::Begun(_) if head.version < Version::HTTP_11 || head.headers.contains_key(UPGRADE) => {
                return answer.set_body(body::resumed(held, body, size));
            }
            Held::Nothing | Held::Begun(_) => {
                let encoder = self.streams.enter().map(|place| (place, Encoder::new(coding, self.levels)));
                let Some((place, Ok(encoder))) = encoder else {
                    return answer.set_body(body::resumed(held, body, size));
                };
                let packing = Packing { encoder, inline: self.inline, counters: counters.clone(), place };
                BoxBody::new(body::Packed::new(body::resumed(held, body, size), packing))
            }
        };
        announce(coding, answer.headers_mut());
        answer.set_body(packed)
    }
}

/// The answer to HEAD: what GET's would say of itself. How long that is nobody knows without making it.
fn described(coding: Coding, mut answer: HttpResponse) -> HttpResponse {
    announce(coding, answer.headers_mut());
    answer.set_body(actix_body::None::new()).map_into_boxed_body()
}

fn announce(coding: Coding, headers: &mut HeaderMap) {
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(CONTENT_LENGTH);
    // Ranges are of what is sent, and that is made anew each time.
    headers.remove(ACCEPT_RANGES);
    if let Some(weak) = headers.get(ETAG).and_then(tag::weak) {
        headers.insert(ETAG, weak);
    }
}

/// A 304 names the tag as the client knows it: a cache that has the weak one would not know the strong one as its own
/// (RFC 9111, section 4.3.4).
fn unchanged(head: &RequestHead, headers: &mut HeaderMap) {
    vary(headers);
    let weak = headers.get(ETAG).and_then(tag::weak);
    let is_named = |weak: &HeaderValue| {
        let mut named = head.headers.get_all(IF_NONE_MATCH);
        named.any(|tags| memchr::memmem::find(tags.as_bytes(), weak.as_bytes()).is_some())
    };
    if let Some(weak) = weak.filter(is_named) {
        headers.insert(ETAG, weak);
    }
}

/// Whether the answer may be changed at all: not a part of one, not what is compressed already, not what is signed, and
/// not where either side forbids it (`no-transform`; RFC 9111, sections 5.2.1.6 and 5.2.2.6).
fn may_change(head: &RequestHead, answer: &HttpResponse) -> bool {
    let (status, headers) = (answer.status(), answer.headers());
    let has_whole_body =
        !matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT);
    has_whole_body
        && !status.is_informational()
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        // Events are small, and each is for now: a window that waits for more would hold them back.
        && !is_event_stream(headers)
        && !forbids(&head.headers)
        && !forbids(headers)
        && !DIGESTS.iter().any(|name| headers.contains_key(*name))
}

fn forbids(headers: &HeaderMap) -> bool {
    let words = headers.get_all(CACHE_CONTROL).flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.map(<[u8]>::trim_ascii).any(|word| word.eq_ignore_ascii_case(b"no-transform"))
}

/// Says that the answer depends on `Accept-Encoding`, unless it says so already.
fn vary(headers: &mut HeaderMap) {
    let names = headers.get_all(VARY).flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut names = names.map(<[u8]>::trim_ascii);
    let is_said = names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding"));
    if !is_said {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// A media type without its parameters.
fn media_type(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// The media types that become smaller.
#[derive(Debug, Default)]
struct Types {
    exact: Vec<String>,
    /// `text/`
    families: Vec<String>,
    /// `+json`
    suffixes: Vec<String>,
}

impl Types {
    fn compile(types: &[String]) -> Self {
        let mut compiled = Self::default();
        for kind in types {
            let kind = kind.to_ascii_lowercase();
            match kind.strip_suffix('*') {
                Some(family) => compiled.families.push(family.to_owned()),
                None if kind.starts_with('+') => compiled.suffixes.push(kind),
                None => compiled.exact.push(kind),
            }
        }
        compiled
    }

    fn hold(&self, value: &[u8]) -> bool {
        let kind = media_type(value);
        let begins =
            |text: &String| kind.get(..text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(text.as_bytes()));
        let ends = |text: &String| {
            let at = kind.len().checked_sub(text.len());
            at.is_some_and(|at| kind[at..].eq_ignore_ascii_case(text.as_bytes()))
        };
        self.exact.iter().any(|text| kind.eq_ignore_ascii_case(text.as_bytes()))
            || self.families.iter().any(begins)
            || self.suffixes.iter().any(ends)
    }
}

impl Coding {
    /// As headers name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }
}
