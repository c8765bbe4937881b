//! The `Idempotency-Key` header, read early and judged in its turn: after the body's shape.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{Ready, ready};
use shared::problem::{Code, Problem};
use shared::wire::idempotency::{HEADER, InvalidKey, Key};

/// What the request says about its key.
#[derive(Debug)]
pub struct KeyHeader(Option<Result<Key, InvalidKey>>);

impl KeyHeader {
    /// The key of a request that moves money: 400 without a valid one.
    pub fn required(self) -> Result<Key, Problem> {
        self.optional()?.ok_or_else(|| Problem::new(Code::IdempotencyKeyRequired))
    }

    /// The key of any other POST, if one was sent: 400 when it is none.
    pub fn optional(self) -> Result<Option<Key>, Problem> {
        self.0.transpose().map_err(|InvalidKey| Problem::new(Code::IdempotencyKeyInvalid))
    }
}

impl FromRequest for KeyHeader {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all(HEADER);
        let first = values.next().map(|value| Key::parse(value.as_bytes()));
        // Two keys are no key.
        let one = if values.next().is_some() { Some(Err(InvalidKey)) } else { first };
        ready(Ok(Self(one)))
    }
}
