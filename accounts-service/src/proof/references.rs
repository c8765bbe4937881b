//! References of clients: each is taken by the transfer that has it, and by no other.

use sea_orm::{DbErr, FromQueryResult, Value};
use uuid::Uuid;

use super::finding::{Findings, Place};
use super::invariant::Invariant;
use super::snapshot::Snapshot;

/// A reference as it is taken (0), or as a transfer has it (1).
#[derive(Clone, Debug, FromQueryResult)]
struct Use {
    owner: Uuid,
    reference: String,
    kind: i32,
    id: Uuid,
    position: Option<i64>,
}

const TAKEN: &str = "SELECT r.owner_id AS owner, r.reference AS reference, CAST(0 AS integer) AS kind, \
                     r.transfer_id AS id, CAST(NULL AS bigint) AS position FROM external_refs r";
const HAD: &str = "SELECT a.owner_id, t.external_ref, 1, t.id, t.position FROM transfers t \
                   JOIN accounts a ON a.id = t.debit_account_id WHERE t.external_ref IS NOT NULL";

/// Sorted byte by byte on both back-ends: pairs have to meet, in whatever order.
fn collation(snapshot: &Snapshot) -> &'static str {
    if snapshot.backend() == sea_orm::DbBackend::Postgres { "COLLATE \"C\"" } else { "COLLATE BINARY" }
}

/// Every reference. `formats` are the places from which on batches are of a format: in the first one, references were free
/// to repeat, and its release knew no table of them.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_all(snapshot: &Snapshot, formats: &[(i64, i64)], findings: &mut Findings) -> Result<(), DbErr> {
    let sql = format!(
        "SELECT owner, reference, kind, id, position FROM ({TAKEN} UNION ALL {HAD}) AS u \
         ORDER BY owner, reference {}, kind, position",
        collation(snapshot)
    );
    let mut of: Option<Of> = None;
    snapshot
        .each(&sql, Vec::new(), |row: Use| {
            if of.as_ref().is_none_or(|of| (of.owner, &of.reference) != (row.owner, &row.reference)) {
                let next = Of { owner: row.owner, reference: row.reference.clone(), taken: None, had: false };
                of.replace(next).into_iter().for_each(|done| done.judge(findings));
            }
            if let Some(of) = &mut of {
                of.add(&row, formats, findings);
            }
        })
        .await?;
    of.into_iter().for_each(|done| done.judge(findings));
    Ok(())
}

/// Of the transfers between two positions, which the chain has in its second format.
///
/// # Errors
/// When the database cannot answer.
pub async fn check_some(snapshot: &Snapshot, places: (i64, i64), findings: &mut Findings) -> Result<(), DbErr> {
    let sql = "SELECT a.owner_id AS owner, t.external_ref AS reference, CAST(1 AS integer) AS kind, t.id AS id, \
               CASE WHEN r.transfer_id = t.id THEN t.position ELSE -t.position END AS position FROM transfers t \
               JOIN accounts a ON a.id = t.debit_account_id LEFT JOIN external_refs r \
               ON r.owner_id = a.owner_id AND r.reference = t.external_ref \
               WHERE t.position >= $1 AND t.position <= $2 AND t.external_ref IS NOT NULL";
    let rows: Vec<Use> = snapshot.all(sql, vec![Value::from(places.0), Value::from(places.1)]).await?;
    for Use { id, position, .. } in rows {
        let position = position.unwrap_or_default();
        let place = Place::at(position.abs()).with(id);
        findings.check(Invariant::References, &place, position > 0, not_taken);
    }
    Ok(())
}

fn not_taken() -> String {
    "a transfer's reference is not taken by it".to_owned()
}

struct Of {
    owner: Uuid,
    reference: String,
    taken: Option<Uuid>,
    had: bool,
}

impl Of {
    fn add(&mut self, row: &Use, formats: &[(i64, i64)], findings: &mut Findings) {
        if row.kind == 0 {
            self.taken = Some(row.id);
            return;
        }
        let position = row.position.unwrap_or_default();
        let format = formats.iter().rev().find(|(from, _)| *from <= position).map(|(_, format)| *format);
        let own = self.taken == Some(row.id);
        self.had |= own;
        let place = Place::at(position).with(row.id);
        findings.check(Invariant::References, &place, own || format.is_none_or(|format| format == 1), not_taken);
    }

    fn judge(&self, findings: &mut Findings) {
        if let Some(taken) = self.taken.filter(|_| !self.had) {
            let place = Place::default().with(taken);
            findings.check(Invariant::References, &place, false, || {
                "a reference is taken by a transfer that does not have it".to_owned()
            });
        }
    }
}
