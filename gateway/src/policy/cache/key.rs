//! What answers are kept under. Whatever an upstream may let its answer depend on is part of the key, or the answer is
//! not kept.

use actix_web::http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use shared::auth::{Caller, External, User};
use shared::domain::Roles;

use super::settings::Settings;
use crate::policy::authenticate::{Principal, cookie};
use crate::policy::certificate::ClientCertificate;
use crate::upstream::convert::Forward;
use crate::upstream::send::Call;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// To whom a kept answer may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody: the upstream calls it public, and the route believes that.
    Everybody,
    /// Callers without credentials.
    Anonymous,
    /// One caller, in one session, with these roles.
    Caller,
}

impl Audience {
    /// Whether the rules of shared caches hold (RFC 9111, section 3.5), or those of one caller's own cache.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        match self {
            Self::Everybody | Self::Anonymous => true,
            Self::Caller => false,
        }
    }
}

/// A collision-free name of fixed length, which tells nothing about what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(String);

impl Key {
    /// As stores take it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From a store.
    #[must_use]
    pub const fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The key of one variant: with what the request says in the headers that the answer varies by.
    #[must_use]
    pub fn variant(&self, names: &[HeaderName], headers: &HeaderMap) -> Self {
        let mut parts = Parts::begin("variant");
        parts.add(self.0.as_bytes());
        parts.add_headers(names, headers);
        parts.key()
    }
}

/// The parts of a key, each with its length, so that no two lists of parts are the same bytes.
#[derive(Clone)]
pub struct Parts(Sha256);

impl Parts {
    /// The beginning of a kind of key.
    #[must_use]
    pub fn begin(kind: &str) -> Self {
        let mut parts = Self(Sha256::new());
        parts.add(kind.as_bytes());
        parts
    }

    /// One more.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// All values of these headers, in their order; one that is missing differs from one that is empty.
    pub fn add_headers(&mut self, names: &[HeaderName], headers: &HeaderMap) {
        for name in names {
            self.add(name.as_str().as_bytes());
            let values: Vec<&HeaderValue> = headers.get_all(name).collect();
            self.add(&(values.len() as u64).to_be_bytes());
            values.iter().for_each(|value| self.add(value.as_bytes().trim_ascii()));
        }
    }

    /// Everything about a caller that an upstream is told: another role, session or scope is another caller.
    fn add_caller(&mut self, principal: &Principal) {
        // Taken apart whole, so that nobody can tell upstreams more of a caller without coming by here.
        let Caller { user, external, is_gateway, client_ip: _ } = principal.caller();
        self.add(&[u8::from(is_gateway)]);
        self.add(principal.who().as_bytes());
        self.add(principal.api_key().unwrap_or_default().as_bytes());
        if let Some(User { id, session, api_key, roles, permissions, scope, ver }) = user {
            self.add(id.to_string().as_bytes());
            self.add(session.map(|session| session.to_string()).unwrap_or_default().as_bytes());
            self.add(api_key.map(|key| key.to_string()).unwrap_or_default().as_bytes());
            self.add(&ver.to_be_bytes());
            self.add_rights(roles, &scope);
            permissions.iter().for_each(|permission| self.add(permission.as_str().as_bytes()));
        }
        if let Some(External { issuer, subject, roles, scope }) = external {
            self.add(issuer.as_bytes());
            self.add(subject.as_bytes());
            self.add_rights(roles, &scope);
        }
    }

    fn add_rights(&mut self, roles: Roles, scope: &str) {
        self.add(scope.as_bytes());
        roles.iter().for_each(|role| self.add(role.as_str().as_bytes()));
    }

    /// The key.
    #[must_use]
    pub fn key(self) -> Key {
        Key(hex::encode(self.0.finalize()))
    }
}

/// Where the answer to a call may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// When it is public, on a route that shares such answers.
    pub public: Option<Key>,
    /// Else. `None` for credentials that the gateway has not checked itself.
    pub own: Option<(Audience, Key)>,
}

impl Keys {
    /// Takes the whole call apart, so that nobody can tell upstreams more without asking whether it belongs here. `None`
    /// for a request without a host.
    #[must_use]
    pub fn of(call: &Call<'_>, settings: &Settings) -> Option<Self> {
        let Call {
            head,
            path,
            query,
            upstream,
            principal,
            client,
            origin,
            forward,
            certificate,
            // What upstreams are told of this one request only, and what is the gateway's own.
            forwarding: _,
            trace: _,
            deadline: _,
            body_limit: _,
            buffer: _,
            priority: _,
            attempts: _,
            hedge: _,
            keyed: _,
            upgrade: _,
            oauth: _,
            mirror: _,
            doubt: _,
            again: _,
        } = *call;
        let mut parts = Parts::begin("answer");
        parts.add(upstream.name.as_bytes());
        // The way that the client came, of which upstreams may make links.
        parts.add(&[u8::from(client.tls)]);
        parts.add(&head.headers.get(HOST)?.as_bytes().to_ascii_lowercase());
        parts.add(origin.host.as_deref().unwrap_or_default().as_bytes());
        parts.add(&origin.port.unwrap_or_default().to_be_bytes());
        parts.add(path.as_bytes());
        parts.add(query.as_bytes());
        parts.add_headers(&settings.vary, &head.headers);
        let of = |audience: &[u8]| {
            let mut parts = parts.clone();
            parts.add(audience);
            parts
        };
        let public = settings.shared.then(|| of(b"everybody").key());
        let is_unchecked = has_unchecked(&head.headers, forward, principal.is_some());
        let own = (!is_unchecked).then(|| match (principal, certificate) {
            (None, None) => (Audience::Anonymous, of(b"anonymous").key()),
            (principal, certificate) => (Audience::Caller, caller(of(b"caller"), principal, certificate)),
        });
        Some(Self { public, own })
    }
}

fn caller(mut parts: Parts, principal: Option<&Principal>, certificate: Option<&ClientCertificate>) -> Key {
    parts.add(certificate.map_or("", |certificate| &certificate.fingerprint).as_bytes());
    if let Some(principal) = principal {
        parts.add_caller(principal);
    }
    parts.key()
}

/// Credentials that go on to the upstream, while the gateway does not know whose they are; also beside others that it
/// does know.
fn has_unchecked(headers: &HeaderMap, forward: Forward<'_>, is_known: bool) -> bool {
    let mut names = headers.get_all(COOKIE).flat_map(|line| cookie::pairs(line.as_bytes())).map(cookie::name);
    let stays = |name: &[u8]| name.is_empty() || forward.cookie.is_some_and(|token| cookie::is_ours(name, token));
    if names.any(|name| !stays(name)) {
        return true;
    }
    let is_bearer =
        |value: &HeaderValue| value.as_bytes().get(..7).is_some_and(|at| at.eq_ignore_ascii_case(b"bearer "));
    let checked = |value: &HeaderValue| is_known && is_bearer(value);
    if forward.authorization && headers.get_all(AUTHORIZATION).any(|value| !checked(value)) {
        return true;
    }
    let is_ours = |name: &HeaderName| is_known && forward.key_header == Some(name);
    let told = |name: &HeaderName| headers.contains_key(name) && !is_ours(name);
    told(&API_KEY) || (forward.authorization && forward.key_header.is_some_and(told))
}
