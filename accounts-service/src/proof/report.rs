//! What `verify` says of a ledger: to people, and to machines.

use serde_json::{Value, json};
use shared::clock::{from_micros, rfc3339};

use super::finding::{Place, Violation};
use super::invariant::Invariant;
use super::verify::Report;

impl Report {
    /// Whether everything holds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.violations() == 0
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let counts = |invariant: &Invariant| {
            json!({
                "name": invariant.word(), "says": invariant.says(),
                "checked": self.findings.checked.get(invariant).copied().unwrap_or_default(),
                "violations": self.findings.violated.get(invariant).copied().unwrap_or_default(),
            })
        };
        json!({
            "status": if self.is_sound() { "sound" } else { "violated" },
            "after_batch": self.after,
            "head": {
                "batch_no": self.head.batch_no, "position": self.head.position,
                "committed_at": rfc3339(from_micros(self.head.committed_at)), "hash": hex::encode(&self.head.hash),
            },
            "transfers": self.transfers, "entries": self.entries, "accounts": self.accounts,
            "first_broken_batch": self.findings.first.as_ref().map(shown),
            "invariants": Invariant::ALL.iter().map(counts).collect::<Vec<_>>(),
            "violations_total": self.findings.violations(),
            "violations": self.findings.kept.iter().map(shown).collect::<Vec<_>>(),
        })
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { transfers, entries, accounts, head, after, findings } = self;
        let since = if *after > 0 { format!(", after batch {after}") } else { String::new() };
        let mut lines = vec![
            format!("{transfers} transfers, {entries} entries of {accounts} accounts{since}"),
            format!("The head is {}:{} at position {}", head.batch_no, hex::encode(&head.hash), head.position),
            String::new(),
        ];
        for invariant in Invariant::ALL {
            let (checked, violated) = (findings.checked.get(invariant), findings.violated.get(invariant));
            let said = match violated.copied().unwrap_or_default() {
                0 => "holds".to_owned(),
                some => format!("{some} VIOLATED"),
            };
            let checked = checked.copied().unwrap_or_default();
            lines.push(format!("{:<18} {checked:>12} checked  {said}", invariant.word()));
        }
        lines.push(String::new());
        if self.is_sound() {
            lines.push("The ledger is sound.".to_owned());
        } else {
            lines.push(match &findings.first {
                Some(first) => format!("First broken batch: {}", told(first)),
                None => "No batch is broken: what does not hold stands beside the order of commit.".to_owned(),
            });
            lines.push(format!("{} violations, of which {}:", findings.violations(), findings.kept.len()));
            lines.extend(findings.kept.iter().map(|violation| format!("  {}", told(violation))));
        }
        lines.join("\n") + "\n"
    }
}

/// A violation as JSON, here and in the service's own answers.
#[must_use]
pub fn shown(violation: &Violation) -> Value {
    let Violation { invariant, place, says, fault: _ } = violation;
    let mut shown = json!({"invariant": invariant.word(), "says": says});
    let Place { batch_no, position, at, account_id, transfer_id, name: _ } = place;
    let members = [
        ("month", place.month().map(|month| month.to_string().into())),
        ("batch_no", batch_no.map(Value::from)),
        ("position", position.map(Value::from)),
        ("at", at.map(|at| rfc3339(from_micros(at)).into())),
        ("account_id", account_id.map(|id| id.to_string().into())),
        ("transfer_id", transfer_id.map(|id| id.to_string().into())),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            shown[name] = value;
        }
    }
    shown
}

/// The same as a line.
#[must_use]
pub fn told(violation: &Violation) -> String {
    let Place { batch_no, position, at, account_id, transfer_id, name: _ } = &violation.place;
    let parts = [
        violation.place.month().map(|month| month.to_string()),
        batch_no.map(|number| format!("batch {number}")),
        position.map(|position| format!("position {position}")),
        at.map(|at| rfc3339(from_micros(at))),
        account_id.map(|id| format!("account {id}")),
        transfer_id.map(|id| format!("transfer {id}")),
    ];
    let place = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let place = if place.is_empty() { "the ledger".to_owned() } else { place };
    format!("{place}: {}: {}", violation.invariant.word(), violation.says)
}
