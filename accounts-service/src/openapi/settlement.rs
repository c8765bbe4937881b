//! What the document says of holds, refunds, and velocity limits: errors and examples.

use serde_json::{Value, json};
use shared::problem::Code;

use super::errors::{BODY, KEY, MONEY, ONE};
use crate::posting::core::checks;

/// The errors of an operation, by its id without the version.
pub(super) fn errors(operation: &str) -> Vec<Code> {
    let parts: &[&[Code]] = match operation {
        "post_pending_transfer" => &[&BODY, &KEY, &MONEY, &checks::POST, &[Code::ReceiptsUnavailable]],
        "void_pending_transfer" => &[&BODY, &KEY, &MONEY, &checks::VOID, &[Code::ReceiptsUnavailable]],
        "reverse_transfer" => &[&BODY, &KEY, &MONEY, &checks::REVERSE, &[Code::ReceiptsUnavailable]],
        "get_limits" => &[&ONE],
        "put_limits" => &[&BODY, &ONE, &[Code::Forbidden, Code::StateConflict]],
        _ => &[],
    };
    parts.concat()
}

/// The example of a schema.
pub(super) fn example(name: &str) -> Option<Value> {
    let used = json!({"amount": 2_500, "count": 1});
    let limit = json!({"window": 86_400, "amount": 100_000, "count": 20, "used": used});
    let new = json!({"window": 86_400, "amount": 100_000, "count": 20});
    Some(match name {
        "LabelName" => json!("shop"),
        "LabelValue" => json!("Lisbon"),
        "Limit" => limit,
        "Limits" => json!({"limits": [limit]}),
        "NewLimit" => new,
        "NewLimits" => json!({"limits": [new]}),
        "NewPosting" => json!({"amount": 850, "release_remainder": true}),
        "NewReversal" => json!({"amount": 1050, "description": "Returned"}),
        "Used" => used,
        _ => return None,
    })
}

/// What may be done to a transfer may be said without a body: all of it, and nothing more.
pub(super) fn leave_out_bodies(document: &mut Value) {
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        if path.ends_with("/{id}/post") || path.ends_with("/{id}/reverse") {
            item["post"]["requestBody"]["required"] = json!(false);
        }
    }
}

/// The example of what an operation answers, where it is not just any transfer.
pub(super) fn answered(path: &str, mut transfer: Value) -> Value {
    let original = transfer["id"].clone();
    let changes = match path.rsplit('/').next() {
        Some("post") => json!({"amount": 850, "remaining": 850, "external_ref": null, "pending_of": original}),
        Some("void") => {
            json!({
                "status": "voided", "remaining": null, "external_ref": null, "pending_of": original, "posted_at": null,
            })
        }
        Some("reverse") => json!({
            "debit_account_id": transfer["credit_account_id"], "credit_account_id": transfer["debit_account_id"],
            "description": "Returned", "remaining": null, "external_ref": null, "reversal_of": original,
        }),
        _ => return transfer,
    };
    for (member, value) in changes.as_object().into_iter().flatten() {
        transfer[member] = value.clone();
    }
    transfer["id"] = json!("01936f71-5a7c-7e21-b0d4-1c2e3f4a5b66");
    transfer
}
