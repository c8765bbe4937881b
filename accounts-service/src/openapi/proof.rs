//! What the document says of the checks of the ledger: errors and examples.

use serde_json::{Value, json};
use shared::problem::Code;

use super::errors::{BODY, KEY};
use super::examples::{ACCOUNT, AT, OWNER, TRANSFER};

/// The errors of an operation, by its id without the version.
pub(super) fn errors(operation: &str) -> Vec<Code> {
    let parts: &[&[Code]] = match operation {
        "get_invariants" => &[&[Code::Forbidden]],
        "acknowledge_violations" => &[&BODY, &KEY, &[Code::Forbidden]],
        _ => &[],
    };
    parts.concat()
}

/// The example of a schema.
pub(super) fn example(name: &str) -> Option<Value> {
    const VIOLATION: &str = "5f1d0c9a-5b22-8356-b438-6130643763a6";
    let place = json!({"batch_no": 1204, "position": 749_866_930_144_436_i64, "at": AT});
    let violation = json!({
        "id": VIOLATION, "says": "100 and -1050 make 0", "month": "2026-11", "batch_no": 1204,
        "position": 749_866_930_144_436_i64, "at": AT, "account_id": ACCOUNT, "transfer_id": TRANSFER, "found_at": AT,
        "seen_at": AT, "acknowledged_at": AT, "acknowledged_by": OWNER,
        "note": "Restored from the backup of that morning",
    });
    let invariant = json!({
        "name": "balance_after", "says": "The balance after an entry is the one before it and its amount.",
        "sampled": true, "checked": 482_113, "checked_at": AT, "up_to": place, "open_violations": 0,
        "violations": [violation],
    });
    let part = json!({"name": "chain", "done_at": AT, "failing_since": null, "stale": false});
    Some(match name {
        "ChainPlace" => place,
        "Invariant" => invariant,
        "Invariants" => json!({
            "status": "sound", "last_round_at": AT, "reached": place, "head": place, "open_violations": 0,
            "parts": [part], "invariants": [invariant],
        }),
        "InvariantPart" => part,
        "NewAcknowledgement" => {
            json!({"violations": [VIOLATION], "note": "Restored from the backup of that morning"})
        }
        "Violation" => violation,
        _ => return None,
    })
}
