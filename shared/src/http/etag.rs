//! Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13).

use std::fmt::Display;

use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{Ready, ready};

use crate::problem::{Code, Problem};

/// A strong entity tag from whatever changes with the representation (a version, and the API version it is shown in).
#[must_use]
pub fn entity_tag(state: impl Display) -> String {
    format!("\"{state}\"")
}

/// The request's `If-Match` and `If-None-Match`.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    if_match: Option<String>,
    if_none_match: Option<String>,
}

impl Conditions {
    /// Those of a request with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let joined = |name: HeaderName| {
            // A tag of other bytes is none of ours, and a condition all the same.
            let values: Vec<_> = headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            (!values.is_empty()).then(|| values.join(","))
        };
        Self { if_match: joined(IF_MATCH), if_none_match: joined(IF_NONE_MATCH) }
    }

    /// 412 when `If-Match` names neither `*` nor `current` by strong comparison (so a weak tag never matches).
    pub fn require(&self, current: &str) -> Result<(), Problem> {
        match &self.if_match {
            Some(tags) if !tags_of(tags).any(|tag| tag == "*" || tag == current) => {
                Err(Problem::new(Code::StalePrecondition))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether `If-None-Match` names `*` or `current` by weak comparison: a GET then answers 304.
    #[must_use]
    pub fn unchanged(&self, current: &str) -> bool {
        let weak = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        self.if_none_match
            .as_ref()
            .is_some_and(|tags| tags_of(tags).any(|tag| tag == "*" || weak(tag) == weak(current)))
    }

    /// The tags of `If-Match`, for whoever compares them with something that has yet to be looked up.
    #[must_use]
    pub fn if_match(&self) -> Option<impl Iterator<Item = &str>> {
        self.if_match.as_deref().map(tags_of)
    }

    /// Whether the client sent `If-Match` at all.
    #[must_use]
    pub const fn has_if_match(&self) -> bool {
        self.if_match.is_some()
    }
}

/// Our tags hold no commas, so a split is enough to tell members of the list apart.
fn tags_of(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

impl FromRequest for Conditions {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request.headers())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(if_match: Option<&str>, if_none_match: Option<&str>) -> Conditions {
        Conditions { if_match: if_match.map(str::to_owned), if_none_match: if_none_match.map(str::to_owned) }
    }

    #[test]
    fn a_condition_that_cannot_be_read_is_one_that_nothing_meets() {
        let value = actix_web::http::header::HeaderValue::from_bytes(b"\xff").unwrap();
        let mut headers = HeaderMap::new();
        headers.append(IF_MATCH, value.clone());
        headers.append(IF_NONE_MATCH, value);
        let unread = Conditions::of(&headers);
        assert!(unread.require("\"1\"").is_err() && unread.has_if_match() && !unread.unchanged("\"1\""));
        headers.append(IF_MATCH, "\"1\"".parse().unwrap());
        assert!(Conditions::of(&headers).require("\"1\"").is_ok());
        assert!(Conditions::of(&HeaderMap::new()).require("\"1\"").is_ok());
    }

    #[test]
    fn if_match_is_strong_and_if_none_match_is_weak() {
        assert!(conditions(None, None).require("\"1\"").is_ok());
        assert!(conditions(Some("\"0\", \"1\""), None).require("\"1\"").is_ok());
        assert!(conditions(Some("*"), None).require("\"1\"").is_ok());
        for stale in ["\"0\"", "W/\"1\"", "1", ""] {
            assert!(conditions(Some(stale), None).require("\"1\"").is_err(), "{stale}");
        }
        assert!(conditions(None, Some("W/\"1\"")).unchanged("\"1\""));
        assert!(!conditions(None, Some("\"2\"")).unchanged("\"1\""));
    }
}
