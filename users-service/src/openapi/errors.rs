//! Which errors each operation answers with, and how each looks.

use std::time::Duration;

use shared::http::document::add_errors;
use shared::problem::{Code, FieldError, Problem};
use shared::wire::API_PREFIX;
use utoipa::Modify;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use crate::step_up;

/// What any operation may answer.
const ANY: [Code; 3] = [Code::RateLimited, Code::InternalError, Code::DatabaseUnavailable];
/// What any but an OAuth endpoint may answer: it refuses query parameters that it lacks, or that stand twice.
const QUERY: [Code; 2] = [Code::MalformedQuery, Code::ValidationFailed];
/// These ignore what they do not know (RFC 6749, section 3.2; RFC 7009, section 2.1; RFC 7662, section 2.1).
const OAUTH_ENDPOINTS: [&str; 5] = ["token", "revoke", "introspect", "userinfo", "userinfo_by_post"];
const SIGNED_IN: [Code; 2] = [Code::TokenRequired, Code::TokenInvalid];
const BODY: [Code; 4] = [Code::MalformedBody, Code::BodyTooLarge, Code::UnsupportedMediaType, Code::ValidationFailed];
const KEY: [Code; 3] = [Code::IdempotencyKeyInvalid, Code::IdempotencyInProgress, Code::IdempotencyKeyReused];
const UNTOLD: [Code; 2] = [Code::StepUpRequired, Code::IdempotencyNotReplayable];
/// Where tokens are signed.
const SIGNING: [Code; 2] = [Code::Overloaded, Code::KeysUnavailable];
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
    let is_ours = path.starts_with(API_PREFIX);
    codes.extend(QUERY.iter().filter(|_| is_ours && !OAUTH_ENDPOINTS.contains(&in_v1(id))));
    // A deletion answers nothing that the client would have to take.
    codes.extend((is_ours && !id.starts_with("delete")).then_some(Code::NotAcceptable));
    codes
}

/// What an operation is called in version 1.
fn in_v1(operation: &str) -> &str {
    operation.strip_suffix("_v2").unwrap_or(operation)
}

/// The errors of an operation, by its id.
fn of(operation: &str) -> Vec<Code> {
    let id = in_v1(operation);
    [of_proof(id), of_power(id), of_people(id, id != operation)].concat()
}

/// Of proving who one is, and what goes by mail.
fn of_proof(operation: &str) -> Vec<Code> {
    let target: &[Code] = &[Code::NotFound];
    let factor: &[Code] = &[Code::Forbidden, Code::StepUpRequired];
    let once: &[Code] = &[Code::StateConflict, Code::IdempotencyNotReplayable];
    let parts: &[&[Code]] = match operation {
        "register" => &[&BODY, &KEY, &TAKEN, &[Code::Overloaded]],
        "token" => &[
            &[
                Code::InvalidRequest,
                Code::InvalidGrant,
                Code::InvalidClient,
                Code::UnauthorizedClient,
                Code::EmailNotVerified,
                Code::MfaRequired,
                Code::UnsupportedGrantType,
                Code::InvalidScope,
                Code::BodyTooLarge,
                Code::UnsupportedMediaType,
            ],
            &SIGNING,
        ],
        "revoke" => &[&[
            Code::InvalidRequest,
            Code::InvalidClient,
            Code::UnauthorizedClient,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
        ]],
        "introspect" => &[&[Code::InvalidRequest, Code::InvalidClient, Code::BodyTooLarge, Code::UnsupportedMediaType]],
        "userinfo" | "userinfo_by_post" => &[&SIGNED_IN, &[Code::Forbidden]],
        "create_cookie_session" => &[&BODY, &SIGNING, &[Code::InvalidGrant, Code::EmailNotVerified, Code::MfaRequired]],
        "refresh_cookie_session" => &[&SIGNED_IN, &BODY, &SIGNING],
        "step_up" => &[&SIGNED_IN, &BODY, &[Code::Forbidden, Code::MfaRequired, Code::StateConflict, Code::Overloaded]],
        "get_factors" => &[&SIGNED_IN, &[Code::Forbidden]],
        "start_totp" | "renew_recovery_codes" => &[&SIGNED_IN, factor, &BODY, &KEY, once],
        "confirm_totp" => &[&SIGNED_IN, &[Code::Forbidden], &BODY, &KEY, once],
        "passkey_sign_in_options" => &[&BODY],
        "passkey_step_up_options" => &[&SIGNED_IN, &BODY, &[Code::Forbidden, Code::StateConflict]],
        "passkey_options" => &[&SIGNED_IN, factor, &BODY, &[Code::StateConflict]],
        "add_passkey" => &[&SIGNED_IN, factor, &BODY, &KEY, &[Code::StateConflict]],
        "list_passkeys" => &[&SIGNED_IN, &[Code::Forbidden]],
        "get_passkey" => &[&SIGNED_IN, target, &[Code::Forbidden, Code::StalePrecondition]],
        "patch_passkey" => &[&SIGNED_IN, target, &BODY, &[Code::Forbidden, Code::StalePrecondition]],
        "delete_passkey" => &[&SIGNED_IN, target, factor, &[Code::StalePrecondition]],
        "delete_factors" => &[&SIGNED_IN, factor, target, &[Code::StateConflict]],
        "delete_totp" => &[&SIGNED_IN, factor, &[Code::NotFound]],
        "verify_email" => &[&BODY, &[Code::LinkInvalid, Code::EmailTaken]],
        "resend_verification" | "forgot_password" => &[&BODY],
        "reset_password" => &[&BODY, &[Code::LinkInvalid, Code::Overloaded]],
        "jwks" | "oauth_metadata" | "openid_configuration" => &[&[Code::StalePrecondition]],
        "change_password" => &[&SIGNED_IN, target, &BODY, factor, &[Code::StateConflict, Code::Overloaded]],
        _ => &[],
    };
    parts.concat()
}

/// Of clients, keys and roles.
fn of_power(operation: &str) -> Vec<Code> {
    let target: &[Code] = &[Code::NotFound];
    let change: &[Code] = &[Code::Forbidden, Code::StalePrecondition];
    let standing: &[Code] = &[Code::LastAdministrator, Code::StateConflict];
    let parts: &[&[Code]] = match operation {
        "list_clients" => &[&SIGNED_IN, &[Code::Forbidden, Code::InvalidCursor]],
        "get_client" | "get_api_key" => &[&SIGNED_IN, target, &[Code::Forbidden, Code::StalePrecondition]],
        "register_client" => &[&SIGNED_IN, &BODY, &KEY, &UNTOLD, &[Code::Forbidden]],
        "patch_client" => &[&SIGNED_IN, target, change, &BODY, &[Code::StepUpRequired]],
        "delete_client" => &[&SIGNED_IN, target, change, &[Code::StepUpRequired]],
        "make_client_secret" => &[&SIGNED_IN, target, change, &BODY, &KEY, &UNTOLD, &[Code::StateConflict]],
        "list_audit_events" => &[&SIGNED_IN, &[Code::Forbidden, Code::InvalidCursor]],
        "set_roles" => &[&SIGNED_IN, target, change, &BODY, standing],
        "list_api_keys" | "list_consents" | "list_roles" | "list_permissions" => &[&SIGNED_IN, &[Code::Forbidden]],
        "make_api_key" => &[
            &SIGNED_IN,
            &BODY,
            &KEY,
            &[
                Code::Forbidden,
                Code::StepUpRequired,
                Code::StateConflict,
                Code::NotFound,
                Code::IdempotencyNotReplayable,
            ],
        ],
        "delete_api_key" | "delete_api_key_of" | "delete_consent" | "list_api_keys_of" => {
            &[&SIGNED_IN, target, &[Code::Forbidden]]
        }
        "send_password_reset" => &[&SIGNED_IN, target, &BODY, &KEY, &[Code::Forbidden, Code::StateConflict]],
        "make_role" => &[&SIGNED_IN, &BODY, &KEY, &[Code::Forbidden, Code::StateConflict]],
        "get_role" => &[&SIGNED_IN, target, &[Code::Forbidden]],
        "patch_role" => &[&SIGNED_IN, target, change, &BODY, &[Code::StateConflict]],
        "delete_role" => &[&SIGNED_IN, target, change, &[Code::StateConflict]],
        _ => &[],
    };
    parts.concat()
}

/// Of people and what they have.
fn of_people(operation: &str, is_second: bool) -> Vec<Code> {
    let target: &[Code] = &[Code::NotFound];
    let change: &[Code] = &[Code::Forbidden, Code::StalePrecondition];
    let standing: &[Code] = &[Code::LastAdministrator, Code::StateConflict];
    let parts: &[&[Code]] = match operation {
        "list_sessions" => &[&SIGNED_IN, target, &[Code::Forbidden]],
        "get_session" => &[&SIGNED_IN, target, &[Code::Forbidden, Code::StalePrecondition]],
        "delete_session" => &[&SIGNED_IN, target, change, &[Code::StepUpRequired]],
        "delete_sessions" => &[&SIGNED_IN, target, &[Code::Forbidden, Code::StepUpRequired]],
        "list_users" if is_second => &[&SIGNED_IN, &[Code::Forbidden, Code::InvalidCursor]],
        "list_users" => &[&SIGNED_IN, &[Code::Forbidden]],
        "get_user" => &[&SIGNED_IN, target, &[Code::StalePrecondition]],
        "get_profile" => &[&SIGNED_IN, target, &[Code::StalePrecondition]],
        "export_user" => &[&SIGNED_IN, target, &[Code::Forbidden, Code::StepUpRequired]],
        "put_profile" => &[&SIGNED_IN, target, &[Code::StalePrecondition], &BODY],
        "patch_user" => &[&SIGNED_IN, target, change, &BODY, &TAKEN, &[Code::StateConflict, Code::StepUpRequired]],
        "delete_user" => &[&SIGNED_IN, target, change, &[Code::LastAdministrator, Code::StepUpRequired]],
        "disable_user" | "enable_user" | "restore_user" => &[&SIGNED_IN, target, change, &KEY, &BODY, standing],
        "put_avatar" => &[&SIGNED_IN, target, change, &BODY, &[Code::Overloaded]],
        "get_own_avatar" | "get_avatar" => &[&SIGNED_IN, target, &[Code::StalePrecondition]],
        "delete_avatar" => &[&SIGNED_IN, target, change],
        _ => &[],
    };
    parts.concat()
}

/// A parameter that nothing has.
const LACKED: &str = "filter";

/// The names of an operation's query parameters.
fn query(operation: &Operation) -> impl Iterator<Item = &str> {
    operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => Some(parameter.name.as_str()),
        RefOr::T(_) | RefOr::Ref(_) => None,
    })
}

/// Codes that RFC 6749 has the very same words for.
const OAUTH: [Code; 8] = [
    Code::InvalidRequest,
    Code::InvalidGrant,
    Code::InvalidClient,
    Code::UnauthorizedClient,
    Code::UnsupportedGrantType,
    Code::InvalidScope,
    Code::EmailNotVerified,
    Code::MfaRequired,
];

fn example(path: &str, operation: &Operation, code: Code) -> Problem {
    let problem = Problem::new(code);
    if code == Code::ValidationFailed && operation.request_body.is_none() {
        return match query(operation).any(|name| name == "size") {
            true => problem.error("?size", "one_of", "one of thumb, medium, large"),
            false => problem.errors([FieldError::unknown_parameter(LACKED)]),
        };
    }
    if ["/auth/token", "/auth/revoke", "/auth/introspect"].iter().any(|end| path.ends_with(end)) {
        return if OAUTH.contains(&code) { problem.oauth(code.as_str()) } else { problem.at_oauth_endpoint() };
    }
    if code == Code::StepUpRequired {
        return step_up::required(Duration::from_secs(300));
    }
    if code == Code::ValidationFailed && path.ends_with("/step-up") {
        return problem.error("/password", "incorrect", "not the right one");
    }
    if code == Code::ValidationFailed && path.contains("/me/passkeys") {
        return problem.error("/name", "length", "1 to 50 characters");
    }
    if code == Code::ValidationFailed && path.contains("/mfa/") {
        return problem.error("/code", "incorrect", "not the code of now");
    }
    if code == Code::ValidationFailed && path.ends_with("/password/reset") {
        return problem.error("/new_password", "length", "10 to 128 characters");
    }
    if path.ends_with("/avatar") {
        return match code {
            Code::ValidationFailed => {
                problem.error("", "dimensions", "at most 10,000 pixels a side, and 40 million in all")
            }
            Code::MalformedBody => problem.detail("The body broke off."),
            _ => problem,
        };
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
