//! Which version a request means: path, then header, then query; two that disagree are refused.

use std::borrow::Cow;

use actix_web::http::header::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use shared::problem::{Code, Problem};

use super::{VersionId, Versions, below, is_version};

const API_VERSION: HeaderName = HeaderName::from_static("api-version");
const X_API_VERSION: HeaderName = HeaderName::from_static("x-api-version");
const QUERY: &str = "version";

/// A versioned path taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The version that the path names.
    pub in_path: Option<&'a str>,
    /// What follows: `/users/me`, or empty.
    pub rest: &'a str,
}

impl Versions {
    /// Takes a canonical path apart. `None`: it has no versions.
    #[must_use]
    pub fn split<'a>(&self, path: &'a str) -> Option<Asked<'a>> {
        let rest = below(path, &self.prefix)?;
        let segment = rest.strip_prefix('/').map(|rest| rest.split('/').next().unwrap_or(rest));
        Some(match segment {
            Some(version) if is_version(version) => Asked { in_path: Some(version), rest: &rest[version.len() + 1..] },
            Some(_) | None => Asked { in_path: None, rest },
        })
    }

    /// The version asked for, or the default.
    pub fn resolve(&self, asked: Asked<'_>, headers: &HeaderMap, query: &str) -> Result<VersionId, Problem> {
        let mut named = Named { chosen: asked.in_path.map(|name| ("path", Cow::Borrowed(name))) };
        for (header, place) in [(API_VERSION, "header API-Version"), (X_API_VERSION, "header X-API-Version")] {
            for value in headers.get_all(header) {
                named.also(place, normal(value.to_str().unwrap_or("?")))?;
            }
        }
        if !query.is_empty() {
            for value in named_in(query) {
                named.also("query", Cow::Owned(normal(&value).into_owned()))?;
            }
        }
        match named.chosen {
            None => Ok(self.default),
            Some((_, name)) => self.by_name(&name).ok_or_else(|| self.unsupported(&name)),
        }
    }

    /// Whether a request without a path's version names one at all.
    #[must_use]
    pub fn names_one(&self, headers: &HeaderMap, query: &str) -> bool {
        headers.contains_key(API_VERSION) || headers.contains_key(X_API_VERSION) || named_in(query).next().is_some()
    }

    fn unsupported(&self, name: &str) -> Problem {
        let supported: Vec<_> = self.list.iter().map(|version| version.name.as_str()).collect();
        let name: String = name.chars().filter(|c| c.is_ascii_graphic()).take(16).collect();
        Problem::new(Code::UnsupportedVersion)
            .detail(format!("There is no version `{name}`; supported are {}.", supported.join(", ")))
            .extension("supported", supported)
    }
}

/// The first version named, against which all others are held.
struct Named<'a> {
    chosen: Option<(&'static str, Cow<'a, str>)>,
}

impl<'a> Named<'a> {
    fn also(&mut self, place: &'static str, name: Cow<'a, str>) -> Result<(), Problem> {
        match &self.chosen {
            Some((first_place, first)) if *first != name => Err(Problem::new(Code::VersionConflict)
                .detail(format!("The {first_place} says {first}, the {place} says {name}."))
                .extension("versions", vec![first.to_string(), name.to_string()])),
            Some(_) => Ok(()),
            None => {
                self.chosen = Some((place, name));
                Ok(())
            }
        }
    }
}

/// `2` and `v2` are the same word.
fn normal(word: &str) -> Cow<'_, str> {
    let word = word.trim();
    let bare = !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    if bare { Cow::Owned(format!("v{word}")) } else { Cow::Borrowed(word) }
}

/// The versions that a query names, decoded.
fn named_in(query: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.filter(|(name, _)| decoded(name) == QUERY).map(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// The query without the gateway's own parameter: services refuse parameters that they do not know.
#[must_use]
pub fn without_version(query: &str) -> Cow<'_, str> {
    if named_in(query).next().is_none() {
        return Cow::Borrowed(query);
    }
    let kept: Vec<_> =
        query.split('&').filter(|pair| pair.split('=').next().is_some_and(|name| decoded(name) != QUERY)).collect();
    Cow::Owned(kept.join("&"))
}
