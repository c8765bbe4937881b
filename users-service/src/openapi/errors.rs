//! Which errors each operation answers with, and how each looks.

use serde_json::json;
use shared::problem::{CONTENT_TYPE_PROBLEM, Code, Context, Problem};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, openapi::path::Operation};

/// What any operation may answer.
const ANY: [Code; 3] = [Code::RateLimited, Code::InternalError, Code::DatabaseUnavailable];
const SIGNED_IN: [Code; 1] = [Code::TokenRequired];
const BODY: [Code; 4] = [Code::MalformedBody, Code::BodyTooLarge, Code::UnsupportedMediaType, Code::ValidationFailed];
const KEY: [Code; 3] = [Code::IdempotencyKeyInvalid, Code::IdempotencyInProgress, Code::IdempotencyKeyReused];
const TAKEN: [Code; 2] = [Code::EmailTaken, Code::UsernameTaken];

/// Adds them to the document.
pub(super) struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut OpenApi) {
        for (path, item) in &mut document.paths.paths {
            let operations =
                [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten();
            for operation in operations {
                add(path, operation);
            }
        }
    }
}

fn add(path: &str, operation: &mut Operation) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let mut codes = of(id.strip_suffix("_v2").unwrap_or(id));
    codes.extend(ANY);
    for status in codes.iter().map(|code| code.status()).collect::<std::collections::BTreeSet<_>>() {
        let of_status: Vec<_> = codes.iter().copied().filter(|code| code.status() == status).collect();
        operation.responses.responses.insert(status.to_string(), RefOr::T(response(path, &of_status)));
    }
}

/// The errors of an operation, by its id without the version.
fn of(operation: &str) -> Vec<Code> {
    let target: &[Code] = &[Code::NotFound];
    let change: &[Code] = &[Code::Forbidden, Code::StalePrecondition];
    let standing: &[Code] = &[Code::LastAdministrator, Code::StateConflict];
    let parts: &[&[Code]] = match operation {
        "register" => &[&BODY, &KEY, &TAKEN, &[Code::Overloaded]],
        "token" => &[&[
            Code::InvalidRequest,
            Code::InvalidGrant,
            Code::UnsupportedGrantType,
            Code::InvalidScope,
            Code::UnsupportedMediaType,
            Code::Overloaded,
        ]],
        "revoke" => &[&[Code::InvalidRequest, Code::UnsupportedMediaType]],
        "list_users" => {
            &[&SIGNED_IN, &[Code::Forbidden, Code::MalformedQuery, Code::InvalidCursor, Code::ValidationFailed]]
        }
        "get_user" => &[&SIGNED_IN, target],
        "patch_user" => &[&SIGNED_IN, target, change, &BODY, &TAKEN],
        "delete_user" => &[&SIGNED_IN, target, change, &[Code::LastAdministrator]],
        "set_roles" => &[&SIGNED_IN, target, change, &BODY, standing],
        "disable_user" | "enable_user" | "restore_user" => &[&SIGNED_IN, target, change, &KEY, standing],
        "change_password" => &[&SIGNED_IN, &BODY, &[Code::StateConflict, Code::Overloaded]],
        _ => &[],
    };
    parts.concat()
}

fn response(path: &str, codes: &[Code]) -> Response {
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    for code in codes {
        let context = Context { instance: path.to_owned(), request_id: "4f1c2a7e".to_owned(), ..Context::current() };
        let mut example = Problem::new(*code).to_value(&context);
        example["timestamp"] = json!("2026-11-21T08:00:00.000000Z");
        let example = ExampleBuilder::new().summary(code.title()).value(Some(example)).build();
        content = content.examples_from_iter([(code.as_str(), example)]);
    }
    let words: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    ResponseBuilder::new().description(words.join(", ")).content(CONTENT_TYPE_PROBLEM, content.build()).build()
}
