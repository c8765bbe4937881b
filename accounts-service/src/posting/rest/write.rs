//! Writing what a commit batch changes besides accounts, transfers and entries.

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{HoldRow, hex};
use crate::posting::core::{Hold, HoldState, State, Window};

/// Takes a [`Rest`] as JSON, the last position before it, and the instant.
pub(crate) const POSTGRES: &str = "SELECT rest_holds($1::jsonb->'holds', $2, $3), \
                                   rest_slices($1::jsonb->'slices', $2, $3), rest_events($1::jsonb->'events', $2, $3)";

/// The same for SQLite, one statement per table: these take the JSON only.
pub(crate) const SQLITE_ROWS: [&str; 5] = [
    "INSERT INTO holds (transfer_id, debit_account_id, credit_account_id, amount, posted, released, expires_at, \
     slice_at, state, settled_at) SELECT unhex(value->>'id'), unhex(value->>'debit'), unhex(value->>'credit'), \
     value->>'amount', value->>'posted', value->>'released', value->>'expires_at', value->>'counted_at', \
     value->>'state', value->>'settled_at' FROM json_each($1, '$.holds') WHERE true \
     ON CONFLICT (transfer_id) DO UPDATE SET posted = excluded.posted, released = excluded.released, \
     state = excluded.state, settled_at = excluded.settled_at",
    "INSERT INTO reversals (transfer_id, amount, reversed) \
     SELECT unhex(value->>'id'), value->>'amount', value->>'reversed' FROM json_each($1, '$.reversals') \
     WHERE true ON CONFLICT (transfer_id) DO UPDATE SET reversed = excluded.reversed",
    "INSERT INTO external_refs (owner_id, reference, transfer_id) \
     SELECT unhex(value->>'owner'), value->>'reference', unhex(value->>'id') FROM json_each($1, '$.references')",
    "DELETE FROM account_slices WHERE (account_id, window_seconds, slice) IN (\
     SELECT s.account_id, s.window_seconds, s.slice FROM json_each($1, '$.slices') AS n JOIN account_slices s \
     ON s.account_id = unhex(n.value->>'account') AND s.window_seconds = n.value->>'seconds' \
     AND s.slice < n.value->>'oldest')",
    "INSERT INTO account_slices (account_id, window_seconds, slice, amount, count) \
     SELECT unhex(value->>'account'), value->>'seconds', value->>'number', value->>'amount', value->>'count' \
     FROM json_each($1, '$.slices') WHERE true \
     ON CONFLICT (account_id, window_seconds, slice) DO UPDATE SET amount = excluded.amount, count = excluded.count",
];

/// And this one all three.
pub(crate) const SQLITE_EVENTS: &str = "INSERT INTO outbox_events (position, id, kind, subject, data, recorded_at) \
     SELECT $2 + (value->>'n'), unhex(value->>'id'), value->>'kind', unhex(value->>'subject'), value->>'data', $3 \
     FROM json_each($1, '$.events')";

/// Everything else that changes with a commit batch.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Rest {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<HoldRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reversals: Vec<ReversalRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<ReferenceRow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    slices: Vec<ChangedSlice>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventRow>,
    /// Positions before those of the events.
    #[serde(skip)]
    before: i64,
}

#[derive(Clone, Debug, Serialize)]
struct ReversalRow {
    #[serde(serialize_with = "hex")]
    id: Uuid,
    amount: i64,
    reversed: i64,
}

#[derive(Clone, Debug, Serialize)]
struct ReferenceRow {
    #[serde(serialize_with = "hex")]
    owner: Uuid,
    reference: std::sync::Arc<str>,
    #[serde(serialize_with = "hex")]
    id: Uuid,
}

#[derive(Clone, Debug, Serialize)]
struct ChangedSlice {
    #[serde(serialize_with = "hex")]
    account: Uuid,
    seconds: i32,
    number: i64,
    amount: i64,
    count: i64,
    /// Slices before this one count no more.
    oldest: i64,
}

/// An event at the `n`th position of the batch.
#[derive(Clone, Debug, Serialize)]
struct EventRow {
    n: i64,
    #[serde(serialize_with = "hex")]
    id: Uuid,
    kind: &'static str,
    #[serde(serialize_with = "hex")]
    subject: Uuid,
    data: String,
}

impl Rest {
    /// What was decided on `state`, at `now`, since it was last in step with the database: nothing for plain transfers.
    /// Its events come after `transfers` positions.
    pub(crate) fn of(state: &State, transfers: usize, now: i64) -> Option<Self> {
        let mut rest = Self { before: i64::try_from(transfers).unwrap_or(i64::MAX), ..Self::default() };
        for (id, before) in state.holds.changed() {
            if let Some(hold) = state.holds.row(&id) {
                rest.hold(before, hold);
            }
        }
        for (id, _) in state.reversals.changed() {
            let row = |row: &crate::posting::core::Reversal| ReversalRow {
                id: row.id.as_uuid(),
                amount: row.amount,
                reversed: row.reversed,
            };
            rest.reversals.extend(state.reversals.row(&id).map(row));
        }
        for (reference, _) in state.references.changed() {
            let row = |id: &shared::domain::TransferId| ReferenceRow {
                owner: reference.owner.as_uuid(),
                reference: reference.text.clone(),
                id: id.as_uuid(),
            };
            rest.references.extend(state.references.row(&reference).map(row));
        }
        for (account, before) in state.windows.changed() {
            let (before, after) = (before.map_or(&[][..], Vec::as_slice), state.windows.row(&account));
            for window in after.into_iter().flatten() {
                rest.slices.extend(changed(account.as_uuid(), before, window, now));
            }
        }
        (!rest.is_empty()).then_some(rest)
    }

    /// How many positions its events take.
    pub(crate) fn positions(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap_or(i64::MAX)
    }

    /// As the statements take it.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        let Self { holds, reversals, references, slices, events: _, before: _ } = self;
        holds.is_empty() && reversals.is_empty() && references.is_empty() && slices.is_empty()
    }

    /// A hold as it is now; that time has ended it is an event, for no transfer tells of it.
    fn hold(&mut self, before: Option<&Hold>, after: &Hold) {
        self.holds.push(after.into());
        let Some(before) = before.filter(|_| after.state != HoldState::Open) else { return };
        let Some(end) = after.expires_at.filter(|end| after.settled_at.is_some_and(|at| at >= *end)) else { return };
        let data = serde_json::json!({
            "transfer_id": after.id, "debit_account_id": after.debit, "credit_account_id": after.credit,
            "released": before.remaining(), "expires_at": shared::clock::rfc3339(shared::clock::from_micros(end)),
        });
        self.events.push(EventRow {
            n: self.before + self.positions() + 1,
            id: expiry_of(after.id.as_uuid()),
            kind: "transfer.expired",
            subject: after.id.as_uuid(),
            data: data.to_string(),
        });
    }
}

/// A transfer expires once, so the event's id is made of its own (RFC 9562, section 5.8).
fn expiry_of(transfer: Uuid) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(b"transfer.expired");
    hash.update(transfer);
    let mut id = [0; 16];
    id.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    uuid::Builder::from_custom_bytes(id).into_uuid()
}

/// The slices of a window that are not what they were.
fn changed(account: Uuid, before: &[Window], after: &Window, now: i64) -> Vec<ChangedSlice> {
    let before = before.iter().find(|window| window.limit == after.limit);
    let known = |slice| before.is_some_and(|window| window.slices.contains(slice));
    let slices = after.slices.iter().filter(|slice| !known(slice));
    slices
        .map(|slice| ChangedSlice {
            account,
            seconds: after.limit.seconds,
            number: slice.number,
            amount: slice.amount,
            count: slice.count,
            oldest: after.limit.oldest(now),
        })
        .collect()
}
