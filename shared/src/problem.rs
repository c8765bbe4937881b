//! Errors as RFC 9457 problems: one shape on every path, whoever made them.

mod catalogue;
mod context;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use catalogue::{Code, TYPE_BASE};
pub use context::Context;

use crate::clock;

/// The media type of every error body (RFC 9457, section 3).
pub const CONTENT_TYPE_PROBLEM: &str = "application/problem+json";

/// One fault inside a request: where, which rule, and in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the body, `?name` for a query parameter, or `Name:` for a header.
    #[schema(example = "/address/zip_code")]
    pub pointer: Cow<'static, str>,
    /// Stable `snake_case` name of the rule.
    #[schema(example = "pattern")]
    pub code: Cow<'static, str>,
    /// One sentence for a person.
    #[schema(example = "five digits")]
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// A query parameter that the resource lacks.
    #[must_use]
    pub fn unknown_parameter(name: &str) -> Self {
        Self::parameter(name, "unknown_parameter", "this resource has no such parameter")
    }

    /// A query parameter that stands more than once.
    #[must_use]
    pub fn repeated_parameter(name: &str) -> Self {
        Self::parameter(name, "repeated", "give it once")
    }

    fn parameter(name: &str, code: &'static str, detail: &'static str) -> Self {
        Self { pointer: format!("?{name}").into(), code: code.into(), detail: detail.into() }
    }
}

/// An error as a client may see it. There is no way to put private text in: causes go to the log by
/// [`Problem::internal`] and [`Problem::unavailable`].
///
/// Boxed inside, so that a `Result<T, Problem>` stays one pointer wide on the path that succeeds.
#[derive(Clone, Debug)]
pub struct Problem(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    allow: Option<Cow<'static, str>>,
    accept_encoding: Option<&'static str>,
    challenges: Vec<Cow<'static, str>>,
    oauth: Option<&'static str>,
    extensions: Map<String, Value>,
}

impl Problem {
    /// A problem of the catalogue, saying what the catalogue says.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self(Box::new(Inner {
            code,
            detail: Cow::Borrowed(code.title()),
            errors: Vec::new(),
            retry_after: (code.status() == 503).then_some(Duration::from_secs(1)),
            allow: None,
            accept_encoding: None,
            challenges: Vec::new(),
            oauth: None,
            extensions: Map::new(),
        }))
    }

    /// What went wrong this time, for a person. Never a cause from inside.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Adds one fault with its place.
    #[must_use]
    pub fn error(
        mut self,
        pointer: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.0.errors.push(FieldError { pointer: pointer.into(), code: code.into(), detail: detail.into() });
        self
    }

    /// Adds many.
    #[must_use]
    pub fn errors(mut self, errors: impl IntoIterator<Item = FieldError>) -> Self {
        self.0.errors.extend(errors);
        self
    }

    /// How long to wait before trying again: `Retry-After` in whole seconds, rounded up, at least 1 (RFC 9110, 10.2.3).
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The methods the resource has: `Allow` (RFC 9110, 10.2.1).
    #[must_use]
    pub fn allow(mut self, methods: impl Into<Cow<'static, str>>) -> Self {
        self.0.allow = Some(methods.into());
        self
    }

    /// The codings in which a body would be taken, where it is refused for its own: `Accept-Encoding` (RFC 9110, 15.5.16).
    #[must_use]
    pub fn accept_encoding(mut self, codings: &'static str) -> Self {
        self.0.accept_encoding = Some(codings);
        self
    }

    /// A `WWW-Authenticate` challenge in place of the plain `Bearer` (RFC 6750, section 3); several stand in lines of
    /// their own, which every client can take apart (RFC 9110, section 11.6.1).
    #[must_use]
    pub fn challenge(mut self, challenge: impl Into<Cow<'static, str>>) -> Self {
        self.0.challenges.push(challenge.into());
        self
    }

    /// Adds the `error` and `error_description` members that OAuth endpoints keep (RFC 6749, section 5.2).
    #[must_use]
    pub fn oauth(mut self, error: &'static str) -> Self {
        self.0.oauth = Some(error);
        self
    }

    /// [`Self::oauth`] with the word that fits the status, unless one was given: for what an OAuth endpoint refuses
    /// before it looks at the grant. RFC 6749 names the last two for the authorization endpoint (4.1.2.1); clients of
    /// the token endpoint know them too.
    #[must_use]
    pub fn at_oauth_endpoint(self) -> Self {
        match (self.0.oauth, self.0.code.status()) {
            (Some(_), _) => self,
            (None, 429 | 502..) => self.oauth("temporarily_unavailable"),
            (None, 500..) => self.oauth("server_error"),
            (None, _) => self.oauth("invalid_request"),
        }
    }

    /// Without those members, where the same is refused by what is no OAuth endpoint.
    #[must_use]
    pub fn beside_oauth(mut self) -> Self {
        self.0.oauth = None;
        self
    }

    /// An extension member (RFC 9457, section 3.2).
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.extensions.insert(name.into(), value.into());
        self
    }

    /// A fault of ours: the cause goes to the log, the client learns only that it happened.
    #[must_use]
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(Code::InternalError)
    }

    /// A back-end that cannot be reached: the cause goes to the log, the client is told to come again.
    #[must_use]
    pub fn unavailable(code: Code, cause: impl fmt::Display) -> Self {
        tracing::warn!(%cause, code = code.as_str(), "dependency unavailable");
        Self::new(code)
    }

    /// Which row of the catalogue.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The faults inside the request that it names.
    #[must_use]
    pub fn faults(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body, with what only the request knows taken from `context`.
    #[must_use]
    pub fn body(&self, context: &Context) -> Vec<u8> {
        let inner = &self.0;
        let body = Body {
            r#type: inner.code.type_uri(),
            title: inner.code.title(),
            status: inner.code.status(),
            detail: &inner.detail,
            instance: &context.instance,
            code: inner.code.as_str(),
            request_id: &context.request_id,
            timestamp: clock::rfc3339(context.clock.now()),
            error: inner.oauth,
            error_description: inner.oauth.map(|_| inner.detail.as_ref()),
            errors: &inner.errors,
            extensions: &inner.extensions,
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The body as a JSON value, for answers that carry problems inside (a batch's items).
    #[must_use]
    pub fn to_value(&self, context: &Context) -> Value {
        serde_json::from_slice(&self.body(context)).unwrap_or(Value::Null)
    }

    /// The whole answer, with the headers that belong to the error.
    #[must_use]
    pub fn response(&self, context: &Context) -> HttpResponse {
        let inner = &self.0;
        let mut response = HttpResponse::build(self.status());
        response.insert_header((CONTENT_TYPE, CONTENT_TYPE_PROBLEM));
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(wait) = inner.retry_after {
            response.insert_header((RETRY_AFTER, whole_seconds(wait)));
        }
        if let Some(methods) = &inner.allow {
            response.insert_header((ALLOW, methods.as_ref()));
        }
        if let Some(codings) = inner.accept_encoding {
            response.insert_header((ACCEPT_ENCODING, codings));
        }
        // A 403 carries one only where the token's scope is what lacks (RFC 6750, section 3.1).
        if inner.code.status() == 401 && inner.challenges.is_empty() {
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        for challenge in &inner.challenges {
            response.append_header((WWW_AUTHENTICATE, challenge.as_ref()));
        }
        response.body(self.body(context))
    }
}

/// Whole seconds, rounded up and at least 1: a client that waits that long has waited enough.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'static str,
    request_id: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(flatten)]
    extensions: &'a Map<String, Value>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response(&Context::current())
    }
}

impl Responder for Problem {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn context() -> Context {
        Context {
            instance: "/api/v1/users".into(),
            request_id: "r-1".into(),
            clock: Clock::manual(time::macros::datetime!(2026-01-02 03:04:05 UTC)),
        }
    }

    #[test]
    fn the_body_has_every_member_of_the_contract() {
        let problem = Problem::new(Code::ValidationFailed).error("/email", "format", "an e-mail address");
        let body: Value = serde_json::from_slice(&problem.body(&context())).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "/docs/problems#validation_failed", "title": Code::ValidationFailed.title(), "status": 422,
                "detail": Code::ValidationFailed.title(), "instance": "/api/v1/users", "code": "validation_failed",
                "request_id": "r-1", "timestamp": "2026-01-02T03:04:05.000000Z",
                "errors": [{"pointer": "/email", "code": "format", "detail": "an e-mail address"}],
            })
        );
    }

    #[test]
    fn headers_follow_the_status() {
        let of = |problem: Problem| problem.response(&context());
        let unauthorized = of(Problem::new(Code::TokenRequired));
        assert_eq!(unauthorized.headers().get(WWW_AUTHENTICATE).unwrap(), "Bearer");
        let two = of(Problem::new(Code::TokenRequired).challenge("A realm=\"x\"").challenge("B realm=\"x\""));
        assert_eq!(two.headers().get_all(WWW_AUTHENTICATE).count(), 2);
        let busy = of(Problem::new(Code::RateLimited).retry_after(Duration::from_millis(1_001)));
        assert_eq!(busy.headers().get(RETRY_AFTER).unwrap(), "2");
        assert_eq!(of(Problem::new(Code::Overloaded)).headers().get(RETRY_AFTER).unwrap(), "1");
        let method = of(Problem::new(Code::MethodNotAllowed).allow("GET, POST"));
        assert_eq!(method.headers().get(ALLOW).unwrap(), "GET, POST");
    }

    #[test]
    fn causes_stay_inside() {
        let problem = Problem::internal("SELECT * FROM secrets");
        assert!(!String::from_utf8(problem.body(&context())).unwrap().contains("SELECT"));
    }
}
