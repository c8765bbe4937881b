//! Looking up what decisions rest on besides accounts, in one statement per look.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::domain::{AccountId, Amount, TransferId};
use uuid::Uuid;

use super::{HoldRow, SliceRow};
use crate::posting::core::{Decided, Lapsed, Limit, Memo, Need, Record, Recorded, Reference, Reversal, State, Window};

/// Takes a [`Wanted`] as JSON and gives a [`Looked`] as JSON.
pub(crate) const POSTGRES: &str = include_str!("read.postgres.sql");

/// The same for SQLite.
pub(crate) const SQLITE: &str = include_str!("read.sqlite.sql");

/// Lapsed holds whose rows are looked up at once, of all accounts together: what one commit ends of them is bounded by
/// this, in rows, in events and in bytes, however many a client has let lapse.
pub(crate) const LAPSED_AT_ONCE: usize = 1_000;

/// What to look up, all in one snapshot.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Wanted {
    originals: Vec<String>,
    holds: Vec<String>,
    reversals: Vec<String>,
    references: Vec<(String, Arc<str>)>,
    windows: Vec<String>,
    lapsed: Vec<String>,
    now: i64,
    /// Rows of lapsed holds, of each account.
    most: usize,
}

fn hex(id: Uuid) -> String {
    id.simple().to_string()
}

impl Wanted {
    /// Everything that is missing but accounts, each once.
    pub(crate) fn of(needs: &[Need], now: i64) -> Self {
        let mut wanted = Self { now, ..Self::default() };
        for need in needs.iter().collect::<BTreeSet<_>>() {
            match need {
                Need::Account(_) | Need::Rate(_) | Need::Carry(_) => {}
                Need::Original(id) => wanted.originals.push(hex(id.as_uuid())),
                Need::Hold(id) => wanted.holds.push(hex(id.as_uuid())),
                Need::Reversal(id) => wanted.reversals.push(hex(id.as_uuid())),
                Need::Reference(reference) => {
                    wanted.references.push((hex(reference.owner.as_uuid()), Arc::clone(&reference.text)));
                }
                Need::Windows(id) => wanted.windows.push(hex(id.as_uuid())),
                Need::Lapsed(id, _) => wanted.lapsed.push(hex(id.as_uuid())),
            }
        }
        wanted.most = (LAPSED_AT_ONCE / wanted.lapsed.len().max(1)).max(1);
        wanted
    }

    /// Whether there is nothing to look up.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { originals, holds, reversals, references, windows, lapsed, now: _, most: _ } = self;
        [originals, holds, reversals, windows, lapsed].iter().all(|ids| ids.is_empty()) && references.is_empty()
    }

    /// As the statements take it.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What was found. A list without rows may be absent.
#[derive(Debug, Deserialize)]
pub(crate) struct Looked {
    originals: Option<Vec<OriginalRow>>,
    holds: Option<Vec<HoldRow>>,
    reversals: Option<Vec<(Uuid, i64, i64)>>,
    references: Option<Vec<(Uuid, Arc<str>, Uuid)>>,
    windows: Option<Vec<WindowRow>>,
    lapsed: Option<Vec<LapsedRow>>,
}

#[derive(Debug, Deserialize)]
struct OriginalRow {
    id: Uuid,
    debit: Uuid,
    credit: Uuid,
    amount: i64,
    currency: String,
    by: Uuid,
    status: String,
    pending_of: Option<Uuid>,
    reversal_of: Option<Uuid>,
    expires_at: Option<i64>,
    description: Option<Arc<str>>,
    external_ref: Option<Arc<str>>,
    metadata: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WindowRow {
    account: Uuid,
    seconds: i32,
    amount: Option<i64>,
    count: Option<i64>,
    slices: Option<Vec<SliceRow>>,
}

#[derive(Debug, Deserialize)]
struct LapsedRow {
    account: Uuid,
    sum: i64,
    next: Option<i64>,
    holds: Option<Vec<HoldRow>>,
}

/// A row that only somebody else can have written.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0} holds what was never written")]
pub(crate) struct NeverWritten(pub &'static str);

impl Looked {
    /// From what a statement gave.
    pub(crate) fn parse(json: &str) -> Result<Self, NeverWritten> {
        serde_json::from_str(json).map_err(|_| NeverWritten("what was looked up"))
    }

    /// Tells the state what was found of `needs`, and that there is nothing of the others.
    pub(crate) fn teach(self, state: &mut State, needs: &[Need], now: i64) -> Result<(), NeverWritten> {
        let mut originals = HashMap::new();
        for row in self.originals.into_iter().flatten() {
            originals.insert(TransferId::from(row.id), original(row)?);
        }
        let keyed = |row: HoldRow| (TransferId::from(row.id), row.into());
        let mut holds: HashMap<_, _> = self.holds.into_iter().flatten().map(keyed).collect();
        let reversal = |(id, amount, reversed): (Uuid, i64, i64)| {
            (TransferId::from(id), Reversal { id: id.into(), amount, reversed })
        };
        let mut reversals: HashMap<_, _> = self.reversals.into_iter().flatten().map(reversal).collect();
        let reference =
            |(owner, text, id): (Uuid, Arc<str>, Uuid)| (Reference { owner: owner.into(), text }, TransferId::from(id));
        let mut references: HashMap<_, _> = self.references.into_iter().flatten().map(reference).collect();
        let mut windows: HashMap<AccountId, Vec<Window>> = HashMap::new();
        for row in self.windows.into_iter().flatten() {
            windows.entry(row.account.into()).or_default().push(window(row));
        }
        let lapse = |row: LapsedRow| {
            let holds = row.holds.into_iter().flatten().map(Into::into).collect();
            (AccountId::from(row.account), Lapsed { at: now, sum: row.sum, holds, next: row.next })
        };
        let mut lapsed: HashMap<_, _> = self.lapsed.into_iter().flatten().map(lapse).collect();
        for need in needs.iter().collect::<BTreeSet<_>>() {
            match need {
                Need::Account(_) | Need::Rate(_) | Need::Carry(_) => {}
                Need::Original(id) => state.originals.learn(*id, originals.remove(id)),
                Need::Hold(id) => state.holds.learn(*id, holds.remove(id)),
                Need::Reversal(id) => state.reversals.learn(*id, reversals.remove(id)),
                Need::Reference(reference) => state.references.learn(reference.clone(), references.remove(reference)),
                Need::Windows(id) => state.windows.learn(*id, Some(windows.remove(id).unwrap_or_default())),
                Need::Lapsed(id, _) => {
                    let none = Lapsed { at: now, ..Lapsed::default() };
                    let lapsed = lapsed.remove(id).unwrap_or(none);
                    lapsed.holds.iter().for_each(|hold| state.holds.learn(hold.id, Some(*hold)));
                    state.lapsed.learn(*id, Some(lapsed));
                }
            }
        }
        Ok(())
    }
}

fn original(row: OriginalRow) -> Result<Decided, NeverWritten> {
    let metadata = row.metadata.map(RawValue::from_string).transpose();
    Ok(Decided {
        record: Record {
            id: row.id.into(),
            debit: row.debit.into(),
            credit: row.credit.into(),
            amount: Amount::try_from(row.amount).map_err(|_| NeverWritten("transfers.amount"))?,
            currency: row.currency.parse().map_err(|_| NeverWritten("transfers.currency"))?,
            by: row.by.into(),
            status: Recorded::parse(&row.status).ok_or(NeverWritten("transfers.status"))?,
            pending_of: row.pending_of.map(Into::into),
            reversal_of: row.reversal_of.map(Into::into),
            expires_at: row.expires_at,
        },
        memo: Memo {
            description: row.description,
            external_ref: row.external_ref,
            metadata: metadata.map_err(|_| NeverWritten("transfers.metadata"))?.map(Into::into),
        },
    })
}

fn window(row: WindowRow) -> Window {
    let limit = Limit { seconds: row.seconds, amount: row.amount, count: row.count };
    Window { limit, slices: row.slices.into_iter().flatten().map(Into::into).collect() }
}
