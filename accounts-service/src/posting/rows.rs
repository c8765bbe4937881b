//! What a fold wants written, and what a key turns out to hold: the language between the fold and the back-ends.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use shared::domain::{AccountId, Amount};
use uuid::Uuid;

use super::apply::{Order, Posting};
use super::command::{Draft, KeyDigest, Outcome, Unit};
use super::error::CommitError;
use super::state::Account;

/// One commit batch, decided.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Sorted by digest: keys are claimed in one order everywhere.
    pub keys: Vec<KeyRow>,
    /// Every account that was looked at, sorted by id: accounts are locked in one order everywhere.
    pub accounts: Vec<AccountRow>,
    /// In the order they were decided, which is their order of commit.
    pub transfers: Vec<TransferRow>,
    /// When, in microseconds since the epoch; later than every batch before.
    pub posted_at: i64,
}

/// A key with its frozen outcome.
#[derive(Debug)]
pub(super) struct KeyRow {
    pub digest: KeyDigest,
    pub fingerprint: Uuid,
    pub outcome: Outcome,
}

impl KeyRow {
    /// Status, transfer and body as they are stored: a posted single transfer keeps no body.
    pub fn columns(&self) -> (i16, Option<Uuid>, Option<&[u8]>) {
        match &self.outcome {
            Outcome::Posted(draft, _) => (201, Some(draft.id.as_uuid()), None),
            Outcome::Stored(status, body) => (i16::try_from(*status).unwrap_or(500), None, Some(body)),
        }
    }
}

/// An account before and after the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct AccountRow {
    /// The version the fold started from.
    pub expected: i64,
    /// The account as the batch leaves it.
    pub after: Account,
}

/// A posted transfer with both sides as it left them.
#[derive(Clone, Debug)]
pub(super) struct TransferRow {
    pub draft: Arc<Draft>,
    pub posting: Posting,
}

/// A key that was taken before.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub digest: KeyDigest,
    /// What was asked under it.
    pub fingerprint: Uuid,
    /// How that ended.
    pub outcome: Outcome,
}

/// The keys of a batch with what is asked under them, in the order in which keys are claimed everywhere.
pub(super) fn sorted_keys(units: &[Unit]) -> Vec<(KeyDigest, Uuid)> {
    let mut keys: Vec<_> = units.iter().map(|unit| (unit.key, unit.fingerprint)).collect();
    keys.sort_unstable_by_key(|(digest, _)| *digest);
    keys
}

/// The accounts that the units whose key is free need, in the order in which accounts are locked everywhere.
pub(super) fn sorted_accounts(units: &[Unit], taken: &[Found]) -> Vec<Uuid> {
    let taken: HashSet<_> = taken.iter().map(|found| found.digest).collect();
    let won = units.iter().filter(|unit| !taken.contains(&unit.key));
    let mut ids: Vec<_> = won.flat_map(|unit| unit.work.accounts()).map(AccountId::as_uuid).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Reads an account from a row of either back-end: the columns that `READ` and `LOCK` name, in that order.
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
            floor: row.try_get(7)?,
            ceiling: row.try_get(8)?,
            seq: row.try_get(9)?,
            version: row.try_get(10)?,
        }
    }};
}
pub(super) use read_account;

/// Reads a taken key, with its transfer if it posted one, from a row of either back-end.
macro_rules! read_found {
    ($row:expr) => {{
        let row = $row;
        let outcome = match row.try_get::<Option<Uuid>, _>(4)? {
            None => stored(row.try_get(2)?, row.try_get(3)?),
            Some(id) => {
                let currency: String = row.try_get(8)?;
                Outcome::Posted(
                    Arc::new(restore(
                        id,
                        (row.try_get(5)?, row.try_get(6)?),
                        row.try_get(7)?,
                        &currency,
                        row.try_get(9)?,
                        (row.try_get(10)?, row.try_get(11)?, row.try_get(12)?),
                    )?),
                    row.try_get(13)?,
                )
            }
        };
        Found { digest: KeyDigest(row.try_get(0)?), fingerprint: row.try_get(1)?, outcome }
    }};
}
pub(super) use read_found;

/// A draft as it was when it posted, from its stored transfer.
pub(super) fn restore(
    id: Uuid,
    sides: (Uuid, Uuid),
    amount: i64,
    currency: &str,
    by: Uuid,
    (description, external_ref, metadata): (Option<String>, Option<String>, Option<String>),
) -> Result<Draft, CommitError> {
    let amount = Amount::try_from(amount).map_err(|_| CommitError::Corrupt("transfers.amount"))?;
    let currency = currency.parse().map_err(|_| CommitError::Corrupt("transfers.currency"))?;
    let order = Order::new((sides.0.into(), sides.1.into()), amount, currency, by.into());
    let metadata = metadata.map(RawValue::from_string).transpose();
    Ok(Draft {
        id: id.into(),
        order: order.map_err(|_| CommitError::Corrupt("transfers.credit_account_id"))?,
        description,
        external_ref,
        metadata: metadata.map_err(|_| CommitError::Corrupt("transfers.metadata"))?,
    })
}

/// Reads back what [`KeyRow::columns`] wrote, for an answer that stored its body.
pub(super) fn stored(status: i64, body: Option<Vec<u8>>) -> Outcome {
    Outcome::Stored(u16::try_from(status).unwrap_or(500), Bytes::from(body.unwrap_or_default()))
}
