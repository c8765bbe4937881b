//! Which errors each operation answers with, and how each looks.

use serde_json::json;
use shared::problem::{CONTENT_TYPE_PROBLEM, Code, Context, Problem};
use shared::wire::API_PREFIX;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, openapi::path::Operation};

use super::operations;

/// What any operation may answer.
const ANY: [Code; 3] = [Code::RateLimited, Code::InternalError, Code::DatabaseUnavailable];
const SIGNED_IN: [Code; 2] = [Code::TokenRequired, Code::TokenInvalid];
const BODY: [Code; 4] = [Code::MalformedBody, Code::BodyTooLarge, Code::UnsupportedMediaType, Code::ValidationFailed];
const KEY: [Code; 3] = [Code::IdempotencyKeyInvalid, Code::IdempotencyInProgress, Code::IdempotencyKeyReused];
const TAKEN: [Code; 2] = [Code::EmailTaken, Code::UsernameTaken];

/// Adds them to the document.
pub(super) struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut OpenApi) {
        for (path, operation) in operations(document) {
            add(path, operation);
        }
    }
}

fn add(path: &str, operation: &mut Operation) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let mut codes = of(id);
    codes.extend(ANY);
    // A deletion answers nothing that the client would have to take.
    codes.extend((path.starts_with(API_PREFIX) && !id.starts_with("delete")).then_some(Code::NotAcceptable));
    for status in codes.iter().map(|code| code.status()).collect::<std::collections::BTreeSet<_>>() {
        let of_status: Vec<_> = codes.iter().copied().filter(|code| code.status() == status).collect();
        operation.responses.responses.insert(status.to_string(), RefOr::T(response(path, &of_status)));
    }
}

/// The errors of an operation, by its id.
fn of(operation: &str) -> Vec<Code> {
    let list: &[Code] = &[Code::Forbidden, Code::MalformedQuery, Code::ValidationFailed];
    let target: &[Code] = &[Code::NotFound];
    let change: &[Code] = &[Code::Forbidden, Code::StalePrecondition];
    let standing: &[Code] = &[Code::LastAdministrator, Code::StateConflict];
    let parts: &[&[Code]] = match operation.strip_suffix("_v2").unwrap_or(operation) {
        "register" => &[&BODY, &KEY, &TAKEN, &[Code::Overloaded]],
        "token" => &[&[
            Code::InvalidRequest,
            Code::InvalidGrant,
            Code::UnsupportedGrantType,
            Code::InvalidScope,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::Overloaded,
        ]],
        "revoke" => &[&[Code::InvalidRequest, Code::BodyTooLarge, Code::UnsupportedMediaType]],
        "jwks" | "oauth_metadata" => &[&[Code::StalePrecondition]],
        "list_users" if operation.ends_with("_v2") => &[&SIGNED_IN, list, &[Code::InvalidCursor]],
        "list_users" => &[&SIGNED_IN, list],
        "get_user" => &[&SIGNED_IN, target, &[Code::StalePrecondition]],
        "patch_user" => &[&SIGNED_IN, target, change, &BODY, &TAKEN, &[Code::StateConflict]],
        "delete_user" => &[&SIGNED_IN, target, change, &[Code::LastAdministrator]],
        "set_roles" => &[&SIGNED_IN, target, change, &BODY, standing],
        "disable_user" | "enable_user" | "restore_user" => &[&SIGNED_IN, target, change, &KEY, &BODY, standing],
        "change_password" => &[&SIGNED_IN, target, &BODY, &[Code::StateConflict, Code::Overloaded]],
        _ => &[],
    };
    parts.concat()
}

fn response(path: &str, codes: &[Code]) -> Response {
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    for code in codes {
        let context = Context { instance: path.to_owned(), request_id: "4f1c2a7e".to_owned(), ..Context::current() };
        let problem = example(path, *code);
        let mut example = problem.to_value(&context);
        example["timestamp"] = json!("2026-11-21T08:00:00.000000Z");
        let example = ExampleBuilder::new().summary(code.title()).value(Some(example)).build();
        content = content.examples_from_iter([(code.as_str(), example)]);
    }
    let words: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    ResponseBuilder::new().description(words.join(", ")).content(CONTENT_TYPE_PROBLEM, content.build()).build()
}

/// Codes that RFC 6749 has the very same words for.
const OAUTH: [Code; 4] = [Code::InvalidRequest, Code::InvalidGrant, Code::UnsupportedGrantType, Code::InvalidScope];

fn example(path: &str, code: Code) -> Problem {
    let problem = Problem::new(code);
    if path.contains("/auth/") {
        return if OAUTH.contains(&code) { problem.oauth(code.as_str()) } else { problem.at_oauth_endpoint() };
    }
    if code == Code::ValidationFailed {
        return problem.error("/email", "format", "an e-mail address such as ada@example.com");
    }
    if code == Code::MalformedBody { problem.error("/email", "type", "text is wanted") } else { problem }
}
