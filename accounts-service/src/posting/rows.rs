//! What a fold wants written, and what a key turns out to hold: the language between the fold and the back-ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use shared::domain::AccountId;
use uuid::Uuid;

use super::command::{KeyDigest, Unit};
use super::core::{Account, Decided, Need, Posting, State};
use super::error::CommitError;
use super::exchanges::ExchangeRow;
use super::outcome::{Outcome, Stub};
use crate::db::entity::transfer;
use crate::exchange::rate::Remainder;
use crate::transfers::model::Transfer;

/// One commit batch, decided.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Sorted by digest: keys are claimed in one order everywhere.
    pub keys: Vec<KeyRow>,
    /// Accounts that change, but for those in `added`: user accounts by id, then system accounts by id, because accounts are
    /// locked in one order everywhere.
    pub accounts: Vec<AccountRow>,
    /// System accounts without bounds that are only added to, sorted by id: they are locked after the others.
    pub added: Vec<AddedRow>,
    /// When something was decided on an account that does not change, or a system account has to have its version while
    /// others are added to: every account to be locked, in that order, with the version it must have.
    pub looked: Option<Vec<(AccountId, i64)>>,
    /// In the order they were decided, which is their order of commit.
    pub transfers: Vec<TransferRow>,
    /// Exchanges, whose transfers are among those.
    pub exchanges: Vec<ExchangeRow>,
    /// What rounding has gathered, where that has changed.
    pub carries: Vec<(AccountId, Remainder)>,
    /// Whatever else, as JSON: an object with a member per part, which `rest_<part>` writes.
    pub rest: Option<String>,
    /// How many events there are in it. Their places in the order of commit are those after the transfers'.
    pub events: i64,
    /// The instant it was decided at, in microseconds since the epoch. It commits then, or just after the batch before.
    pub asked: i64,
    /// The position that the month begins above.
    pub month_start: i64,
    /// It may only commit before this instant.
    pub not_after: Option<i64>,
}

impl Rows {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.transfers.is_empty() && self.rest.is_none()
    }

    /// Keeps to the earliest of the instants before which something decided holds.
    pub fn before(&mut self, not_after: Option<i64>) {
        self.not_after = [self.not_after, not_after].into_iter().flatten().min();
    }
}

/// The version of an account that may have any.
pub(super) const ANY_VERSION: i64 = 0;

/// A key with its frozen outcome.
#[derive(Debug)]
pub(super) struct KeyRow {
    pub digest: KeyDigest,
    pub fingerprint: Uuid,
    pub outcome: Outcome,
}

/// An account before and after the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccountRow {
    /// The version the fold started from.
    pub expected: i64,
    /// The account as the batch leaves it.
    pub after: Account,
    /// Whether it has holds that lapse, or had.
    pub expiring: bool,
}

/// An account that is added to, whatever it is by then.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddedRow {
    /// As the fold found it.
    pub before: Account,
    /// As the fold leaves it.
    pub after: Account,
}

/// A transfer, with both sides as it left them if it moved money.
#[derive(Clone, Debug)]
pub(super) struct TransferRow {
    pub decided: Arc<Decided>,
    pub posting: Option<Posting>,
}

/// What the database says of a batch that is committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Committed {
    /// Its instant; none: it recorded nothing but keys.
    pub at: Option<i64>,
    /// Accounts that were added to and were not as the fold had them.
    pub moved: Vec<Moved>,
}

/// An account that was added to, as it is now.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub(super) struct Moved {
    pub id: AccountId,
    pub balance: i64,
    pub held: i64,
    pub next_expiry: Option<i64>,
    pub seq: i64,
    pub version: i64,
}

/// A key that was taken before.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Which.
    pub digest: KeyDigest,
    /// What was asked under it.
    pub fingerprint: Uuid,
    /// How that ended.
    pub outcome: Outcome,
    /// When its transfers were recorded.
    pub at: i64,
}

/// A key that was taken before, its transfers yet to be read.
#[derive(Clone, Debug)]
pub(super) struct FoundKey {
    pub digest: KeyDigest,
    pub fingerprint: Uuid,
    pub stub: Stub,
}

/// What was found, whole.
pub(super) fn fill(keys: Vec<FoundKey>, rows: Vec<transfer::Model>) -> Result<Vec<Found>, CommitError> {
    let corrupt = || CommitError::Corrupt("transfer_keys");
    let mut transfers = HashMap::with_capacity(rows.len());
    for row in rows {
        let id = row.id;
        transfers.insert(id, Transfer::try_from(row).map_err(|_| CommitError::Corrupt("transfers"))?);
    }
    let whole = |key: FoundKey| {
        let first = key.stub.transfers().next().and_then(|id| transfers.get(&id.as_uuid()));
        let at = first.map(|transfer| transfer.at).unwrap_or_default();
        let read = |id: shared::domain::TransferId| Some(Arc::clone(&transfers.get(&id.as_uuid())?.decided));
        let outcome = key.stub.fill(read).ok_or_else(corrupt)?;
        Ok(Found { digest: key.digest, fingerprint: key.fingerprint, outcome, at })
    };
    keys.into_iter().map(whole).collect()
}

/// The ids of the transfers that `keys` name.
pub(super) fn named(keys: &[FoundKey]) -> Vec<Uuid> {
    keys.iter().flat_map(|key| key.stub.transfers()).map(|id| id.as_uuid()).collect()
}

/// The keys of a batch with what is asked under them, in the order in which keys are claimed everywhere.
pub(super) fn sorted_keys(units: &[Unit]) -> Vec<(KeyDigest, Uuid)> {
    let mut keys: Vec<_> = units.iter().filter_map(|unit| Some((unit.key?, unit.fingerprint))).collect();
    keys.sort_unstable_by_key(|(digest, _)| *digest);
    keys
}

/// The units whose key is free.
pub(super) fn free<'a>(units: &'a [Unit], taken: &[Found]) -> impl Iterator<Item = &'a Unit> + Clone + use<'a> {
    let taken: Arc<HashSet<_>> = Arc::new(taken.iter().map(|found| found.digest).collect());
    units.iter().filter(move |unit| unit.key.is_none_or(|key| !taken.contains(&key)))
}

/// The accounts among `needs`, sorted.
pub(super) fn account_ids(needs: &[Need]) -> Vec<Uuid> {
    let known = State::default();
    let mut ids: Vec<_> = needs.iter().flat_map(|need| known.accounts_of(need)).map(AccountId::as_uuid).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Reads an account from a row of either back-end: the columns that `ACCOUNT` names, in that order.
macro_rules! read_account {
    ($row:expr) => {{
        let row = $row;
        let text = |column: usize| row.try_get::<String, _>(column);
        Account {
            id: row.try_get::<Uuid, _>(0)?.into(),
            owner: row.try_get::<Uuid, _>(1)?.into(),
            kind: Kind::parse(&text(2)?).ok_or(CommitError::Corrupt("accounts.kind"))?,
            currency: text(3)?.parse().map_err(|_| CommitError::Corrupt("accounts.currency"))?,
            status: Status::parse(&text(4)?).ok_or(CommitError::Corrupt("accounts.status"))?,
            balance: row.try_get(5)?,
            held: row.try_get(6)?,
            next_expiry: row.try_get(7)?,
            floor: row.try_get(8)?,
            ceiling: row.try_get(9)?,
            limited: row.try_get(10)?,
            seq: row.try_get(11)?,
            version: row.try_get(12)?,
        }
    }};
}
pub(super) use read_account;

/// Reads a taken key from a row of either back-end: digest, fingerprint, status, transfer, body.
macro_rules! read_key {
    ($row:expr) => {{
        let row = $row;
        let stub = Stub::read(row.try_get::<i64, _>(2)?, row.try_get(3)?, row.try_get(4)?);
        FoundKey {
            digest: KeyDigest(row.try_get(0)?),
            fingerprint: row.try_get(1)?,
            stub: stub.ok_or(CommitError::Corrupt("transfer_keys.body"))?,
        }
    }};
}
pub(super) use read_key;

/// Reads a transfer from a row of either back-end: all of its columns, by their names.
macro_rules! read_transfer {
    ($row:expr) => {{
        let row = $row;
        transfer::Model {
            position: row.try_get("position")?,
            id: row.try_get("id")?,
            debit_account_id: row.try_get("debit_account_id")?,
            credit_account_id: row.try_get("credit_account_id")?,
            amount: row.try_get("amount")?,
            currency: row.try_get("currency")?,
            status: row.try_get("status")?,
            description: row.try_get("description")?,
            external_ref: row.try_get("external_ref")?,
            metadata: row.try_get("metadata")?,
            pending_of: row.try_get("pending_of")?,
            reversal_of: row.try_get("reversal_of")?,
            expires_at: row.try_get("expires_at")?,
            posted_at: row.try_get("posted_at")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
        }
    }};
}
pub(super) use read_transfer;
