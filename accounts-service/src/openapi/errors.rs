//! Which errors each operation answers with, and how each looks. A 405 belongs to no operation: it says that there is
//! none.

use serde_json::json;
use shared::http::document::add_errors;
use shared::problem::{Code, Problem};
use utoipa::Modify;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

use super::{exchange, proof, receipts, settlement, standing};
use crate::posting::core::checks;

/// What any operation may answer. Each refuses query parameters that it lacks, or that stand twice.
const ANY: [Code; 8] = [
    Code::MalformedQuery,
    Code::ValidationFailed,
    Code::TokenRequired,
    Code::TokenInvalid,
    Code::NotAcceptable,
    Code::RateLimited,
    Code::InternalError,
    Code::DatabaseUnavailable,
];
pub(super) const BODY: [Code; 4] =
    [Code::MalformedBody, Code::BodyTooLarge, Code::UnsupportedMediaType, Code::ValidationFailed];
pub(super) const KEY: [Code; 3] =
    [Code::IdempotencyKeyInvalid, Code::IdempotencyInProgress, Code::IdempotencyKeyReused];
pub(super) const LIST: [Code; 2] = [Code::MalformedQuery, Code::ValidationFailed];
pub(super) const ONE: [Code; 2] = [Code::NotFound, Code::StalePrecondition];
/// What moves money.
pub(super) const MONEY: [Code; 3] = [Code::IdempotencyKeyRequired, Code::MalformedQuery, Code::Overloaded];

/// Adds them to the document.
pub(super) struct Errors;

impl Modify for Errors {
    fn modify(&self, document: &mut OpenApi) {
        add_errors(document, |_, operation| codes(operation), |path, _, code| example(path, code));
    }
}

fn codes(operation: &Operation) -> Vec<Code> {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    if id == receipts::KEYS {
        return receipts::ERRORS.to_vec();
    }
    let mut codes = of(id);
    codes.extend(ANY);
    codes
}

/// The errors of an operation, by its id.
fn of(operation: &str) -> Vec<Code> {
    let parts: &[&[Code]] = match operation.rsplit_once("_v").map_or(operation, |(id, _)| id) {
        "open_account" => &[&BODY, &KEY, &[Code::Forbidden, Code::TooManyAccounts]],
        "list_accounts" if operation.ends_with("_v1") => &[&LIST, &[Code::Forbidden]],
        "list_accounts" | "list_transfers" => &[&LIST, &[Code::InvalidCursor, Code::Forbidden]],
        "get_balance" => &[&LIST, &[Code::NotFound]],
        "list_events" => &[&LIST, &[Code::InvalidCursor, Code::Forbidden]],
        "list_entries" => &[&LIST, &[Code::InvalidCursor, Code::NotFound]],
        "get_statement" => &[&LIST, &ONE, &[Code::Overloaded]],
        "get_account" => &[&ONE],
        "get_transfer" => &[&ONE, &[Code::ReceiptsUnavailable]],
        "change_account" => &[&BODY, &ONE, &[Code::Forbidden, Code::StateConflict]],
        "freeze_account" | "unfreeze_account" => &[&BODY, &KEY, &ONE, &[Code::Forbidden, Code::StateConflict]],
        "close_account" => &[&BODY, &KEY, &ONE, &[Code::Forbidden, Code::StateConflict, Code::AccountNotEmpty]],
        "post_transfer" => &[&BODY, &KEY, &MONEY, &checks::TRANSFER, &[Code::ReceiptsUnavailable]],
        "post_transfer_batch" => &[&BODY, &KEY, &MONEY, &[Code::BatchDeclined]],
        other => {
            return [standing::errors(other), settlement::errors(other), exchange::errors(other), proof::errors(other)]
                .concat();
        }
    };
    parts.concat()
}

fn example(path: &str, code: Code) -> Problem {
    let problem = Problem::new(code);
    if code == Code::BatchDeclined {
        return problem.extension("results", declined_results(path));
    }
    problem
}

fn declined_results(path: &str) -> serde_json::Value {
    let item = |code: Code| {
        let problem = json!({
            "type": code.type_uri(), "title": code.title(), "status": code.status(), "detail": code.title(),
            "instance": path, "code": code.as_str(), "request_id": "4f1c2a7e",
            "timestamp": "2026-11-21T08:00:00.000000Z",
        });
        json!({"status": code.status(), "problem": problem})
    };
    json!([item(Code::InsufficientFunds), item(Code::LinkedItemDeclined)])
}
