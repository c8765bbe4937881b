//! Which web pages may call: the preflight's answer and the headers of the real one (Fetch standard, section 3.2).

use std::collections::HashSet;

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use shared::problem::{Code, Problem};

use crate::config;

/// What pages may read beside the headers that they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "API-Version, Deprecation, ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, \
     Server-Timing, Sunset, X-Request-Id",
);
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The compiled policy.
#[derive(Debug)]
pub struct Cors {
    origins: HashSet<String>,
    any: bool,
    credentials: bool,
    methods: HeaderValue,
    headers: HeaderValue,
    max_age: HeaderValue,
}

impl Cors {
    /// From the configuration, which has been checked.
    #[must_use]
    pub fn compile(config: &config::Cors) -> Self {
        let list = |words: &[String]| HeaderValue::from_str(&words.join(", ")).unwrap_or(HeaderValue::from_static(""));
        Self {
            origins: config.origins.iter().filter(|origin| *origin != "*").cloned().collect(),
            any: config.origins.iter().any(|origin| origin == "*"),
            credentials: config.credentials,
            methods: list(&config.methods),
            headers: list(&config.headers),
            max_age: HeaderValue::from(config.max_age.get().as_secs()),
        }
    }

    /// The answer to a preflight; `None` when the request is none.
    pub fn preflight(&self, head: &RequestHead) -> Option<Result<HttpResponse, Problem>> {
        let asks = head.method == Method::OPTIONS
            && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
            && head.headers.contains_key(ORIGIN);
        if !asks {
            return None;
        }
        if self.allowed(&head.headers).is_none() {
            return Some(Err(Problem::new(Code::OriginNotAllowed)));
        }
        let mut answer = HttpResponse::NoContent();
        answer.insert_header((ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone()));
        answer.insert_header((ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone()));
        answer.insert_header((ACCESS_CONTROL_MAX_AGE, self.max_age.clone()));
        Some(Ok(answer.finish()))
    }

    /// Whether any page may call at all: without that, nothing about origins is said.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.any || !self.origins.is_empty()
    }

    /// Tells the browser whether the page may read the answer.
    pub fn announce(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if !self.is_on() {
            return;
        }
        if !self.any {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(origin) = self.allowed(request) else { return };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        answer.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// Whether the page that asks is one that may.
    #[must_use]
    pub fn allows(&self, request: &HeaderMap) -> bool {
        self.allowed(request).is_some()
    }

    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = request.get(ORIGIN)?;
        if self.any {
            return Some(HeaderValue::from_static("*"));
        }
        origin.to_str().is_ok_and(|origin| self.origins.contains(origin)).then(|| origin.clone())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        Cors::compile(&config::Cors {
            origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
            credentials,
            methods: vec!["GET".to_owned(), "POST".to_owned()],
            headers: vec!["authorization".to_owned()],
            max_age: std::time::Duration::from_secs(600).into(),
        })
    }

    #[test]
    fn a_preflight_is_answered_for_allowed_origins_only() {
        let cors = cors(&["https://app.example"], true);
        let ask = |origin: &'static str| {
            let request = TestRequest::default().method(Method::OPTIONS);
            let request =
                request.insert_header((ORIGIN, origin)).insert_header((ACCESS_CONTROL_REQUEST_METHOD, "POST"));
            cors.preflight(request.to_http_request().head()).unwrap()
        };
        let answer = ask("https://app.example").unwrap();
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.headers().get(ACCESS_CONTROL_ALLOW_METHODS).unwrap(), "GET, POST");
        assert_eq!(answer.headers().get(ACCESS_CONTROL_MAX_AGE).unwrap(), "600");
        assert_eq!(ask("https://evil.example").unwrap_err().code(), Code::OriginNotAllowed);
        assert!(cors.preflight(TestRequest::default().method(Method::OPTIONS).to_http_request().head()).is_none());
    }

    #[test]
    fn answers_name_the_origin_and_vary_by_it() {
        let announce = |cors: &Cors, origin: &'static str| {
            let request = TestRequest::get().insert_header((ORIGIN, origin)).to_http_request();
            let mut answer = HeaderMap::new();
            cors.announce(request.headers(), &mut answer);
            answer
        };
        let strict = cors(&["https://app.example"], true);
        let answer = announce(&strict, "https://app.example");
        assert_eq!(answer.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "https://app.example");
        assert_eq!(answer.get(ACCESS_CONTROL_ALLOW_CREDENTIALS).unwrap(), "true");
        let stranger = announce(&strict, "https://evil.example");
        assert!(!stranger.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(stranger.get(VARY).unwrap(), "Origin");
        assert_eq!(announce(&cors(&["*"], false), "https://x.example").get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
        assert!(announce(&cors(&[], false), "https://x.example").is_empty());
    }
}
