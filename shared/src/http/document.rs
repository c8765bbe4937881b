//! What the services' OpenAPI documents have in common: how a problem looks, which headers mean what, and how errors and
//! headers are put on every operation. Which ones they are, each service says for itself.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Object, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{Modify, ToSchema};

use crate::problem::{CONTENT_TYPE_PROBLEM, Code, Context, FieldError, Problem};

/// An error (RFC 9457). `code` is stable; `detail` is for people.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "/docs/problems#insufficient_funds", "title": "The account to debit has too little available.",
    "status": 422, "detail": "The account to debit has too little available.", "instance": "/api/v1/transfers",
    "code": "insufficient_funds", "request_id": "4f1c2a7e", "timestamp": "2026-11-21T08:00:00.000000Z",
}))]
pub struct ProblemBody {
    /// Where the code is explained.
    #[schema(example = "/docs/problems#validation_failed")]
    pub r#type: String,
    /// The same each time it occurs.
    pub title: String,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// What went wrong this time.
    pub detail: String,
    /// The path that was asked for.
    #[schema(example = "/api/v1/users")]
    pub instance: String,
    /// Stable and in snake_case.
    #[schema(example = "validation_failed")]
    pub code: String,
    /// Finds the request in the logs.
    pub request_id: String,
    /// When.
    #[schema(format = DateTime)]
    pub timestamp: String,
    /// At OAuth endpoints: RFC 6749's word.
    #[schema(example = "invalid_grant", nullable = false)]
    pub error: Option<String>,
    /// At OAuth endpoints: the detail once more, under RFC 6749's name.
    #[schema(nullable = false)]
    pub error_description: Option<String>,
    /// Each fault with its place, where there are such.
    #[schema(nullable = false)]
    pub errors: Option<Vec<FieldError>>,
}

/// Adds the security scheme `access_token`.
pub struct AccessToken;

impl Modify for AccessToken {
    fn modify(&self, document: &mut OpenApi) {
        let text = "An access token from `POST /api/v1/auth/token`.";
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(text)).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("access_token", SecurityScheme::Http(bearer));
    }
}

/// Every operation with its path.
pub fn operations(document: &mut OpenApi) -> impl Iterator<Item = (&str, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        operations.into_iter().flatten().map(|operation| (path.as_str(), operation))
    })
}

/// Puts errors on every operation: `of` says which an operation has, some perhaps more than once, `example` how one looks.
pub fn add_errors(
    document: &mut OpenApi,
    of: impl Fn(&str, &Operation) -> Vec<Code>,
    example: impl Fn(&str, &Operation, Code) -> Problem,
) {
    for (path, operation) in operations(document) {
        let mut codes = Vec::new();
        for code in of(path, operation) {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        for status in codes.iter().map(|code| code.status()).collect::<BTreeSet<_>>() {
            let of_status: Vec<_> = codes.iter().copied().filter(|code| code.status() == status).collect();
            let response = error_response(path, &of_status, |code| example(path, operation, code));
            operation.responses.responses.insert(status.to_string(), RefOr::T(response));
        }
    }
}

fn error_response(path: &str, codes: &[Code], example: impl Fn(Code) -> Problem) -> Response {
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    for code in codes {
        let context = Context { instance: path.to_owned(), request_id: "4f1c2a7e".to_owned(), ..Context::current() };
        let mut example = example(*code).to_value(&context);
        example["timestamp"] = json!("2026-11-21T08:00:00.000000Z");
        let example = ExampleBuilder::new().summary(code.title()).value(Some(example)).build();
        content = content.examples_from_iter([(code.as_str(), example)]);
    }
    let words: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    ResponseBuilder::new().description(words.join(", ")).content(CONTENT_TYPE_PROBLEM, content.build()).build()
}

/// Every header that is described: name, type, meaning, example.
const HEADERS: [(&str, Type, &str, &str); 18] = [
    ("API-Version", Type::String, "The version that answered.", "v1"),
    ("Age", Type::Integer, "How old a kept answer is, in seconds.", "12"),
    ("Allow", Type::String, "The methods that the resource has.", "GET, HEAD, POST"),
    ("Cache-Control", Type::String, "How long it may be kept.", "no-store"),
    (
        "Cache-Status",
        Type::String,
        "Whether it was kept, and how it came otherwise (RFC 9211).",
        "tollgate; hit; ttl=48",
    ),
    ("Deprecation", Type::String, "Since when this version is deprecated (RFC 9745).", "@1767225600"),
    ("ETag", Type::String, "Changes with the resource; for `If-Match` and `If-None-Match`.", "\"3\""),
    ("Idempotent-Replayed", Type::String, "`true` when this is the first answer under the key, told again.", "true"),
    (
        "Link",
        Type::String,
        "The neighbouring pages, and the successor of a deprecated version (RFC 8288).",
        "</api/v1/accounts?page=2&per_page=20>; rel=\"next\"",
    ),
    ("Location", Type::String, "Where the new resource is.", "/api/v1/accounts/01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11"),
    ("RateLimit", Type::String, "What is left of each limit (IETF draft 11).", "\"user\";r=599;t=1"),
    ("RateLimit-Policy", Type::String, "Each limit (IETF draft 11).", "\"user\";q=600;w=60;tollgate-burst=600"),
    ("Retry-After", Type::Integer, "Seconds to wait before trying again.", "1"),
    ("Server-Timing", Type::String, "How long it took, in milliseconds.", "total;dur=3.1"),
    ("Sunset", Type::String, "When this version is switched off (RFC 8594).", "Fri, 31 Dec 2027 00:00:00 GMT"),
    ("Vary", Type::String, "The request headers that choose between answers.", "API-Version, X-API-Version"),
    ("WWW-Authenticate", Type::String, "How to sign in (RFC 6750).", "Bearer"),
    ("X-Request-Id", Type::String, "Finds the request in the logs; the client's own if it sent one.", "4f1c2a7e"),
];

/// On every answer.
const ALWAYS: [&str; 6] = ["API-Version", "RateLimit", "RateLimit-Policy", "Server-Timing", "Vary", "X-Request-Id"];

/// Puts headers on every answer, also of errors, which are to be there already: `of` says which an answer has beside
/// those that all have, by path, status and whether the operation takes an `Idempotency-Key`.
pub fn add_headers(document: &mut OpenApi, of: impl Fn(&str, &str, bool) -> Vec<&'static str>) {
    let components = document.components.get_or_insert_default();
    for (name, kind, meaning, example) in HEADERS {
        let example = match example.parse::<u64>() {
            Ok(number) if kind == Type::Integer => Value::from(number),
            Ok(_) | Err(_) => Value::from(example),
        };
        let header = HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(meaning));
        let header = header.example(Some(example)).build();
        components.headers.insert(name.to_owned(), RefOr::T(header));
    }
    for (path, operation) in operations(document) {
        let keyed = has_key(operation);
        for (status, response) in &mut operation.responses.responses {
            let RefOr::T(response) = response else { continue };
            let of_status = match status.as_str() {
                "401" => Some("WWW-Authenticate"),
                "409" if keyed => Some("Retry-After"),
                "429" | "503" => Some("Retry-After"),
                _ => None,
            };
            for name in ALWAYS.into_iter().chain(of_status).chain(of(path, status, keyed)) {
                let reference = Ref::new(format!("#/components/headers/{name}"));
                response.headers.insert(name.to_owned(), RefOr::Ref(reference));
            }
        }
    }
}

fn has_key(operation: &Operation) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(parameter) => parameter.name == "Idempotency-Key",
        RefOr::Ref(_) => false,
    })
}
