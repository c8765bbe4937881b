//! What entries can be purged by: their path, the route's tags, and those that the upstream names in a header.

use actix_web::http::header::{HeaderMap, HeaderName};
use shared::store::tagged::EVERYTHING;

use super::directives::members;
use super::key::Parts;
use crate::tables::Tables;

/// Space-separated, as Fastly and Varnish read it.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Comma-separated, as Cloudflare and Akamai read it.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// A structured list of strings, for every cache on the way (RFC 9875, section 2).
pub const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// The groups that an unsafe request has changed (RFC 9875, section 3).
pub const GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// Tags that one answer may have. An answer with more is not kept: a purge would miss it.
pub const MAX_TAGS: usize = 128;
/// Bytes in one of them.
pub const MAX_TAG_BYTES: usize = 256;

/// Tags that one purge names.
const MAX_PURGED: usize = 1_024;

/// Whether a word can be a tag.
#[must_use]
pub fn is_tag(word: &str) -> bool {
    (1..=MAX_TAG_BYTES).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_graphic() && b != b',')
}

/// What a store is told to purge: nothing is kept under longer tags, and more of them than it should be asked for at once
/// are everything.
#[must_use]
pub fn to_purge(mut tags: Vec<String>) -> Vec<String> {
    tags.retain(|tag| tag.len() <= MAX_TAG_BYTES + OWN.len());
    if tags.len() > MAX_PURGED { vec![EVERYTHING.to_owned()] } else { tags }
}

/// What tags begin with that operators, routes and upstreams name.
const OWN: &str = "t:";

/// A tag as operators, routes and upstreams name it.
#[must_use]
pub fn own_tag(word: &str) -> String {
    [OWN, word].concat()
}

/// The word of such a tag.
#[must_use]
pub fn own_word(tag: &str) -> &str {
    tag.strip_prefix(OWN).unwrap_or(tag)
}

/// The tag of a path of an upstream. It has no version, host and query: what is written in one version has changed in
/// the other, and under every name.
#[must_use]
pub fn path_tag(upstream: &str, path: &str) -> String {
    let mut parts = Parts::begin("path");
    parts.add(upstream.as_bytes());
    parts.add(path.as_bytes());
    format!("p:{}", parts.key().as_str())
}

/// A path of an upstream without its version; also where the row knows no versions, for the upstream may.
#[must_use]
pub fn resource<'p>(tables: &Tables, path: &'p str) -> &'p str {
    tables.versions.split(path).map_or(path, |asked| asked.rest)
}

/// The tags that an answer names; `None` when they are more, or longer, than can be kept.
#[must_use]
pub fn named(headers: &HeaderMap, upstream: &str) -> Option<Vec<String>> {
    let mut tags = Vec::new();
    for (name, separators) in [(SURROGATE_KEY, &[' ', '\t'][..]), (CACHE_TAG, &[','])] {
        for value in headers.get_all(name) {
            let words = value.to_str().ok()?.split(separators).map(str::trim).filter(|word| !word.is_empty());
            tags.extend(words.map(own_tag));
        }
    }
    tags.extend(groups(headers, &CACHE_GROUPS, upstream)?);
    (tags.len() <= MAX_TAGS && tags.iter().all(|tag| tag.len() <= MAX_TAG_BYTES && !tag.contains('\n'))).then_some(tags)
}

/// The groups that an answer has changed.
#[must_use]
pub fn invalidated(headers: &HeaderMap, upstream: &str) -> Vec<String> {
    groups(headers, &GROUP_INVALIDATION, upstream).unwrap_or_default()
}

/// Takes out what is for caches on this side of the client only.
pub fn strip(headers: &mut HeaderMap) {
    for name in [SURROGATE_KEY, CACHE_TAG] {
        headers.remove(name);
    }
}

/// Groups belong to an origin: one upstream cannot invalidate another's.
fn groups(headers: &HeaderMap, name: &HeaderName, upstream: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for value in headers.get_all(name) {
        for member in members(value.to_str().ok()?) {
            // Strings are compared by their characters; parameters mean nothing yet.
            let text = member.strip_prefix('"').and_then(|rest| rest.split('"').next());
            found.extend(text.map(|text| format!("g:{upstream}:{text}")));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn three_headers_name_tags() {
        let tagged = headers(&[
            (SURROGATE_KEY, "one  two"),
            (CACHE_TAG, "three, four five,"),
            (CACHE_GROUPS, "\"six\", \"seven, eight\";q=1"),
        ]);
        let tags = named(&tagged, "up").unwrap();
        assert_eq!(tags, ["t:one", "t:two", "t:three", "t:four five", "g:up:six", "g:up:seven, eight"]);
        assert!(invalidated(&tagged, "up").is_empty());
        assert_eq!(invalidated(&headers(&[(GROUP_INVALIDATION, "\"a\", \"b\"")]), "up"), ["g:up:a", "g:up:b"]);
    }

    #[test]
    fn more_than_can_be_kept_is_not_kept() {
        let many = vec!["x"; MAX_TAGS + 1].join(" ");
        assert_eq!(named(&headers(&[(SURROGATE_KEY, &many)]), "up"), None);
        assert_eq!(named(&headers(&[(CACHE_TAG, &"x".repeat(MAX_TAG_BYTES))]), "up"), None);
    }

    #[test]
    fn whoever_names_too_much_purges_everything_and_what_nothing_can_be_kept_by_is_not_told() {
        let named = |count: usize| (0..count).map(|n| own_tag(&n.to_string())).collect::<Vec<_>>();
        assert_eq!(to_purge(named(MAX_PURGED)), named(MAX_PURGED));
        assert_eq!(to_purge(named(MAX_PURGED + 1)), [EVERYTHING]);
        let longest = own_tag(&"x".repeat(MAX_TAG_BYTES));
        assert_eq!(to_purge(vec![longest.clone(), own_tag(&"x".repeat(MAX_TAG_BYTES + 1))]), [longest]);
    }

    #[test]
    fn a_path_of_one_upstream_is_not_anothers() {
        assert_ne!(path_tag("a", "b/c"), path_tag("ab", "/c"));
        assert_eq!(path_tag("a", "/c"), path_tag("a", "/c"));
    }
}
