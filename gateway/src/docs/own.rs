//! What the gateway itself brings into the merged document: the problem, an example of each, headers, and the ways to show
//! who one is.

use serde_json::{Map, Value, json};
use shared::http::document::{AccessToken, ProblemBody, add_headers};
use shared::problem::{Code, FieldError};
use utoipa::openapi::OpenApi as Spec;
use utoipa::{Modify, OpenApi};

/// The media type of problems.
pub(super) const PROBLEM: &str = "application/problem+json";

#[derive(OpenApi)]
#[openapi(components(schemas(ProblemBody, FieldError)), modifiers(&AccessToken, &Headers))]
struct Own;

struct Headers;

impl Modify for Headers {
    fn modify(&self, document: &mut Spec) {
        add_headers(document, |_, _, _| Vec::new());
    }
}

/// The components, in the same words as the services', so that each is there once.
pub(super) fn components() -> Map<String, Value> {
    let document = serde_json::to_value(Own::openapi()).unwrap_or_default();
    let mut components = document.get("components").and_then(Value::as_object).cloned().unwrap_or_default();
    let examples = Code::ALL.iter().map(|code| (code.as_str().to_owned(), example(*code)));
    components.insert("examples".to_owned(), Value::Object(examples.collect()));
    components
}

fn example(code: Code) -> Value {
    let value = json!({
        "type": code.type_uri(), "title": code.title(), "status": code.status(), "detail": code.title(),
        "instance": "/api/v1/users/me", "code": code.as_str(), "request_id": "0d9f3c1e8a7b4c56a1e2f3d4c5b6a798",
        "timestamp": "2026-11-21T08:00:00.000000Z",
    });
    json!({"summary": code.title(), "value": value})
}

/// Whether an example of a problem says no more than that of its code does, wherever it happened.
pub(super) fn is_plain(code: &str, shown: &Value) -> bool {
    let told = |example: &Value| {
        let mut members = example.get("value").and_then(Value::as_object).cloned().unwrap_or_default();
        ["instance", "request_id", "timestamp"].iter().for_each(|name| drop(members.remove(*name)));
        members
    };
    Code::ALL.iter().any(|known| known.as_str() == code && told(&example(*known)) == told(shown))
}

/// How a component is referred to.
pub(super) fn refer(section: &str, name: &str) -> Value {
    json!({"$ref": super::names::reference(section, name)})
}
