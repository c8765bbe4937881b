//! What a request shows for itself: a bearer token, an API key, or the browsers' cookie. Never anything in the query,
//! where it would end up in logs (RFC 6750, section 5.3).

use actix_web::http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use shared::problem::{Code, Problem};

use super::api_keys::ApiKeys;
use super::{Issuers, challenge};

const SCHEME: &str = "bearer ";

/// What a request shows for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    /// The token or the key.
    pub text: &'a str,
    /// Where it stood.
    pub carrier: Carrier,
    /// Whether it is an API key.
    pub is_key: bool,
}

/// A credential that is kept for as long as what it opened lasts.
#[derive(Clone)]
pub struct Kept {
    text: Box<str>,
    carrier: Carrier,
    is_key: bool,
}

/// What is wrong with the way in which a credential was sent.
#[derive(Debug)]
pub struct Fault {
    /// Where it stood.
    pub carrier: Carrier,
    problem: Problem,
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        fault.problem
    }
}

impl Kept {
    /// What a request showed that was let in.
    #[must_use]
    pub fn of(headers: &HeaderMap, issuers: &Issuers) -> Option<Self> {
        let found = find(headers, &issuers.keys, issuers.cookie.as_deref()).ok()?;
        found.map(|Credential { text, carrier, is_key }| Self { text: text.into(), carrier, is_key })
    }

    /// Whether a request could still show it in this way.
    #[must_use]
    pub fn is_read(&self, before: &Issuers, after: &Issuers) -> bool {
        let same = match self.carrier {
            // What a key begins with tells it from a token.
            Carrier::Bearer => after.keys.is_key(&self.text) == self.is_key,
            Carrier::KeyHeader => before.keys.header == after.keys.header,
            Carrier::Cookie => before.cookie == after.cookie,
        };
        same && self.text.len() <= after.max_bytes
    }

    /// As a request shows it.
    #[must_use]
    pub fn credential(&self) -> Credential<'_> {
        Credential { text: &self.text, carrier: self.carrier, is_key: self.is_key }
    }
}

/// Where a credential stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// In `Authorization: Bearer`.
    Bearer,
    /// In the API keys' own header.
    KeyHeader,
    /// In the cookie, which the browser sends by itself.
    Cookie,
}

/// The credential of a request, if it has one. Authorization and the keys' header go before the cookie.
///
/// # Errors
/// 400 for a request that shows two, 401 for what cannot be one.
pub fn find<'h>(headers: &'h HeaderMap, keys: &ApiKeys, cookie: Option<&str>) -> Result<Option<Credential<'h>>, Fault> {
    let by = |carrier| move |problem| Fault { carrier, problem };
    let bearer = bearer(headers).map_err(by(Carrier::Bearer))?;
    let key = match &keys.header {
        Some(header) => only(headers.get_all(header), "The request has more than one API key."),
        None => Ok(None),
    };
    let key = key.map_err(by(Carrier::KeyHeader))?;
    let key = key.map(|key| token68(key.as_bytes()).ok_or_else(|| challenge::malformed(Carrier::KeyHeader)));
    let key = key.transpose().map_err(by(Carrier::KeyHeader))?;
    match (bearer, key) {
        (Some(token), Some(key)) if token != key => {
            let problem = ambiguous("The request shows two credentials: a bearer token and an API key.");
            Err(Fault { carrier: Carrier::Bearer, problem })
        }
        (Some(text), _) => Ok(Some(Credential { text, carrier: Carrier::Bearer, is_key: keys.is_key(text) })),
        (None, Some(text)) => Ok(Some(Credential { text, carrier: Carrier::KeyHeader, is_key: true })),
        (None, None) => {
            let text = cookie.map(|name| in_cookie(headers, name)).transpose().map_err(by(Carrier::Cookie))?.flatten();
            Ok(text.map(|text| Credential { text, carrier: Carrier::Cookie, is_key: false }))
        }
    }
}

/// The bearer token. Other schemes are somebody else's: they count as no token.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let value = only(headers.get_all(AUTHORIZATION), "The request has more than one Authorization header.")?;
    let Some((scheme, token)) = value.and_then(|value| value.as_bytes().split_at_checked(SCHEME.len())) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
        return Ok(None);
    }
    token68(token).map(Some).ok_or_else(|| challenge::malformed(Carrier::Bearer))
}

fn only<'h>(
    mut values: impl Iterator<Item = &'h HeaderValue>,
    twice: &'static str,
) -> Result<Option<&'h HeaderValue>, Problem> {
    let first = values.next();
    if values.next().is_some() { Err(ambiguous(twice)) } else { Ok(first) }
}

fn token68(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?.trim_matches(' ');
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    (!text.is_empty() && text.bytes().all(fine)).then_some(text)
}

/// The token in the cookie of this name. An empty one is how browsers are told to forget it.
fn in_cookie<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut found = None;
    for pair in headers.get_all(COOKIE).flat_map(|line| line.as_bytes().split(|b| *b == b';')) {
        let Some(value) = pair.trim_ascii().strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
        else {
            continue;
        };
        if found.replace(value).is_some() {
            // Which of the two was set by us, nobody can tell: their order says nothing (RFC 6265, section 4.2.2).
            return Err(challenge::doubled_cookie());
        }
    }
    let Some(value) = found.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty()) else { return Ok(None) };
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    token68(bare).map(Some).ok_or_else(|| challenge::malformed(Carrier::Cookie))
}

/// RFC 6750, section 3.1: `invalid_request` for a request that uses more than one way to show a token.
fn ambiguous(detail: &'static str) -> Problem {
    challenge::ambiguous(Problem::new(Code::MalformedRequest).detail(detail), detail)
}
