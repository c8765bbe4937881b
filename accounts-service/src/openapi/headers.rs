//! Which headers each answer carries, and what each means.

use utoipa::Modify;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Components, Object, OpenApi, Ref, RefOr, Response, Type};

use super::operations;

/// Every header that is described: name, type, meaning, example.
const HEADERS: [(&str, Type, &str, &str); 13] = [
    ("API-Version", Type::String, "The version that answered.", "v1"),
    ("Cache-Control", Type::String, "How long it may be kept.", "no-store"),
    ("ETag", Type::String, "Changes with the resource; for `If-Match` and `If-None-Match`.", "\"3\""),
    ("Idempotent-Replayed", Type::String, "`true` when this is the first answer under the key, told again.", "true"),
    ("Link", Type::String, "The neighbouring pages (RFC 8288).", "</api/v1/accounts?page=2&per_page=20>; rel=\"next\""),
    ("Location", Type::String, "Where the new resource is.", "/api/v1/accounts/01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11"),
    ("RateLimit", Type::String, "What is left of each limit (IETF draft).", "\"user\";r=599;t=1"),
    ("RateLimit-Policy", Type::String, "Each limit (IETF draft).", "\"user\";q=600;w=60"),
    ("Retry-After", Type::Integer, "Seconds to wait before trying again.", "1"),
    ("Server-Timing", Type::String, "How long it took, in milliseconds.", "total;dur=3.1"),
    ("Vary", Type::String, "The request headers that choose between answers.", "api-version"),
    ("WWW-Authenticate", Type::String, "How to sign in (RFC 6750).", "Bearer"),
    ("X-Request-Id", Type::String, "Finds the request in the logs; the client's own if it sent one.", "4f1c2a7e"),
];

/// On every answer.
const ANY: [&str; 6] = ["API-Version", "RateLimit", "RateLimit-Policy", "Server-Timing", "Vary", "X-Request-Id"];

/// Adds them to the document. To be called after the errors are in it.
pub(super) struct Headers;

impl Modify for Headers {
    fn modify(&self, document: &mut OpenApi) {
        describe(document.components.get_or_insert_default());
        for (path, operation) in operations(document) {
            let keyed = has_key(operation);
            for (status, response) in &mut operation.responses.responses {
                let RefOr::T(response) = response else { continue };
                add(response, &of(path, status, keyed));
            }
        }
    }
}

fn describe(components: &mut Components) {
    for (name, kind, meaning, example) in HEADERS {
        let header = HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(meaning));
        let header = header.example(Some(serde_json::Value::from(example))).build();
        components.headers.insert(name.to_owned(), RefOr::T(header));
    }
}

fn has_key(operation: &Operation) -> bool {
    let parameters = operation.parameters.iter().flatten();
    parameters
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter.name.as_str()),
            RefOr::Ref(_) => None,
        })
        .any(|name| name == "Idempotency-Key")
}

/// What an answer with this status carries.
fn of(path: &str, status: &str, keyed: bool) -> Vec<&'static str> {
    let mut names = ANY.to_vec();
    names.push("Cache-Control");
    let one = path.contains("{id}") && !path.ends_with("/entries");
    // A decline of a transfer is frozen under its key as a success is.
    let frozen = path.contains("/transfers") && matches!(status, "404" | "409" | "422");
    names.extend((keyed && (status.starts_with('2') || frozen)).then_some("Idempotent-Replayed"));
    match status {
        "200" | "304" if one => names.push("ETag"),
        "200" if path == "/api/v1/accounts" => names.push("Link"),
        "201" => names.extend(["ETag", "Location"]),
        "401" => names.push("WWW-Authenticate"),
        "409" if keyed => names.push("Retry-After"),
        "429" | "503" => names.push("Retry-After"),
        _ => {}
    }
    names
}

fn add(response: &mut Response, names: &[&str]) {
    for name in names {
        let reference = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert((*name).to_owned(), RefOr::Ref(reference));
    }
}
