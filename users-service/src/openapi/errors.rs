//! Which errors each operation answers with, and how each looks.

use std::time::Duration;

use shared::http::document::add_errors;
use shared::problem::{Code, Problem};
use shared::wire::API_PREFIX;
use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

use crate::step_up;

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
        add_errors(document, codes, example);
    }
}

fn codes(path: &str, operation: &Operation) -> Vec<Code> {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let mut codes = of(id);
    codes.extend(ANY);
    // A deletion answers nothing that the client would have to take.
    codes.extend((path.starts_with(API_PREFIX) && !id.starts_with("delete")).then_some(Code::NotAcceptable));
    codes
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
            Code::EmailNotVerified,
            Code::UnsupportedGrantType,
            Code::InvalidScope,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::Overloaded,
        ]],
        "revoke" => &[&[Code::InvalidRequest, Code::BodyTooLarge, Code::UnsupportedMediaType]],
        "step_up" => &[&SIGNED_IN, &BODY, &[Code::Forbidden, Code::StateConflict, Code::Overloaded]],
        "verify_email" => &[&BODY, &[Code::LinkInvalid, Code::EmailTaken]],
        "resend_verification" | "forgot_password" => &[&BODY],
        "reset_password" => &[&BODY, &[Code::LinkInvalid, Code::Overloaded]],
        "jwks" | "oauth_metadata" => &[&[Code::StalePrecondition]],
        "list_users" if operation.ends_with("_v2") => &[&SIGNED_IN, list, &[Code::InvalidCursor]],
        "list_audit_events" => &[&SIGNED_IN, list, &[Code::InvalidCursor]],
        "list_users" => &[&SIGNED_IN, list],
        "get_user" => &[&SIGNED_IN, target, &[Code::StalePrecondition]],
        "get_profile" => &[&SIGNED_IN, target, &[Code::StalePrecondition]],
        "export_user" => &[&SIGNED_IN, target, &[Code::Forbidden, Code::StepUpRequired]],
        "put_profile" => &[&SIGNED_IN, target, &[Code::StalePrecondition], &BODY],
        "patch_user" => &[&SIGNED_IN, target, change, &BODY, &TAKEN, &[Code::StateConflict, Code::StepUpRequired]],
        "delete_user" => &[&SIGNED_IN, target, change, &[Code::LastAdministrator, Code::StepUpRequired]],
        "set_roles" => &[&SIGNED_IN, target, change, &BODY, standing],
        "disable_user" | "enable_user" | "restore_user" => &[&SIGNED_IN, target, change, &KEY, &BODY, standing],
        "change_password" => &[&SIGNED_IN, target, &BODY, &[Code::Forbidden, Code::StateConflict, Code::Overloaded]],
        _ => &[],
    };
    parts.concat()
}

/// Codes that RFC 6749 has the very same words for.
const OAUTH: [Code; 5] =
    [Code::InvalidRequest, Code::InvalidGrant, Code::UnsupportedGrantType, Code::InvalidScope, Code::EmailNotVerified];

fn example(path: &str, code: Code) -> Problem {
    let problem = Problem::new(code);
    if path.ends_with("/auth/token") || path.ends_with("/auth/revoke") {
        return if OAUTH.contains(&code) { problem.oauth(code.as_str()) } else { problem.at_oauth_endpoint() };
    }
    if code == Code::StepUpRequired {
        return step_up::required(Duration::from_secs(300));
    }
    if code == Code::ValidationFailed && path.ends_with("/step-up") {
        return problem.error("/password", "incorrect", "not the password");
    }
    if code == Code::ValidationFailed && path.ends_with("/password/reset") {
        return problem.error("/new_password", "length", "10 to 128 characters");
    }
    if code == Code::ValidationFailed && path.ends_with("/me/profile") {
        return problem.error("/birth_date", "age", "18 years ago or longer").error(
            "/address/state",
            "state",
            "two capitals",
        );
    }
    if code == Code::ValidationFailed {
        return problem.error("/email", "format", "an e-mail address such as ada@example.com");
    }
    if code == Code::MalformedBody { problem.error("/email", "type", "text is wanted") } else { problem }
}
