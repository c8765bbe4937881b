//! What a key is claimed for: who, which route, which request.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{Ready, ready};
use serde_json::Value;
use shared::config::Secret;
use shared::problem::{Code, Problem};
use shared::wire::API_PREFIX;
use shared::wire::idempotency::{HEADER, Key, fingerprint};

/// The request's `Idempotency-Key`, if it sent one; 400 when it is none, or more than one.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    key: Option<Key>,
    route: String,
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let invalid = || Problem::new(Code::IdempotencyKeyInvalid);
        let mut values = request.headers().get_all(HEADER);
        let key = match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => Key::parse(value.as_bytes()).map(Some).map_err(|_| invalid()),
            (Some(_), Some(_)) => Err(invalid()),
        };
        let pattern = request.match_pattern().unwrap_or_else(|| request.path().to_owned());
        let route = format!("{} {}", request.method(), without_version(&pattern));
        ready(key.map(|key| Self { key, route }))
    }
}

/// What is retried on the next version is still the same request.
fn without_version(path: &str) -> &str {
    let versioned = path.strip_prefix(API_PREFIX).and_then(|path| path.strip_prefix("/v"));
    versioned.and_then(|path| path.find('/').map(|end| &path[end..])).unwrap_or(path)
}

/// One claim on a key.
#[derive(Clone, Debug)]
pub struct Claim {
    pub(super) scope: String,
    pub(super) route: String,
    pub(super) key: Key,
    pub(super) fingerprint: [u8; 32],
    /// A password in the request. It is no part of the fingerprint, which would be a fast hash of it in the database;
    /// the stored Argon2 hash stands for it instead.
    pub(super) password: Option<Secret>,
}

impl IdempotencyKey {
    /// The claim of the caller named by `scope`, if a key was sent. `request` is all that the request says: its body
    /// and what its path names.
    #[must_use]
    pub fn claim(self, scope: String, request: &Value, password: Option<&Secret>) -> Option<Claim> {
        let Self { key, route } = self;
        key.map(|key| Claim { scope, route, key, fingerprint: fingerprint(request), password: password.cloned() })
    }
}
