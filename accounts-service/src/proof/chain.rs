//! The hash chain as its description has it, computed from rows alone: what the engine computes from what it decided is
//! held against this.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::rows::{Batch, Entry, Transfer};

/// The most transfers that a batch is taken to have; more than any configuration lets the engine make.
const MOST: usize = 1 << 17;

/// What a batch contributes, as its transfers come by.
#[derive(Debug)]
pub enum Content {
    /// Instant and rows, each with both sides' number and balance.
    First(Sha256),
    /// The leaves, counted.
    Second(Vec<[u8; 32]>),
    /// Of a format that this release does not know.
    Unknown,
}

impl Content {
    /// Of a batch that begins.
    pub fn of(batch: &Batch) -> Self {
        match batch.format {
            1 => Self::First(Sha256::new().chain_update(batch.posted_at.to_be_bytes())),
            2 => Self::Second(Vec::new()),
            _ => Self::Unknown,
        }
    }

    /// One more transfer, with its entries.
    pub fn add(&mut self, transfer: &Transfer, entries: &[Entry]) {
        match self {
            Self::First(hash) => first(hash, transfer, entries),
            Self::Second(leaves) if leaves.len() < MOST => leaves.push(leaf(transfer)),
            Self::Second(_) | Self::Unknown => {}
        }
    }

    /// The digest; none: of a format that nobody knows.
    pub fn digest(self) -> Option<[u8; 32]> {
        match self {
            Self::First(hash) => Some(hash.finalize().into()),
            Self::Second(leaves) => {
                let mut hash = Sha256::new();
                hash.update("tollgate batch 2");
                hash.update(u32::try_from(leaves.len()).unwrap_or(u32::MAX).to_be_bytes());
                leaves.iter().for_each(|leaf| hash.update(leaf));
                Some(hash.finalize().into())
            }
            Self::Unknown => None,
        }
    }
}

/// The link that follows from the one before.
pub fn link(before: &[u8], batch: &Batch) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(batch.batch_no.to_be_bytes());
    if batch.format != 1 {
        hash.update(batch.first_position.to_be_bytes());
        hash.update(batch.posted_at.to_be_bytes());
    }
    hash.update(&batch.content);
    hash.finalize().into()
}

fn leaf(row: &Transfer) -> [u8; 32] {
    let mut hash = Sha256::new();
    let kind = ["posted", "pending", "voided"].iter().position(|kind| *kind == row.status);
    hash.update([2]);
    hash.update(row.id);
    hash.update([kind.map_or(0, |kind| 1 + u8::try_from(kind).unwrap_or_default())]);
    hash.update(row.debit);
    hash.update(row.credit);
    hash.update(row.amount.to_be_bytes());
    hash.update(&row.currency);
    hash.update(row.created_by);
    for id in [row.pending_of, row.reversal_of] {
        present(&mut hash, id.map(Uuid::into_bytes));
    }
    present(&mut hash, row.expires_at.map(i64::to_be_bytes));
    texts(&mut hash, row);
    hash.finalize().into()
}

fn first(hash: &mut Sha256, row: &Transfer, entries: &[Entry]) {
    hash.update(row.id);
    for account in [row.debit, row.credit] {
        let entry = entries.iter().find(|entry| entry.account == account);
        hash.update(account);
        hash.update(entry.map_or(0, |entry| entry.seq).to_be_bytes());
        hash.update(entry.map_or(0, |entry| entry.balance_after).to_be_bytes());
    }
    hash.update(row.amount.to_be_bytes());
    hash.update(&row.currency);
    hash.update(row.created_by);
    texts(hash, row);
}

/// Lengths in front, so that no two rows run together; an absent text has the greatest.
fn texts(hash: &mut Sha256, row: &Transfer) {
    for text in [&row.description, &row.external_ref, &row.metadata] {
        hash.update(text.as_ref().map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.as_deref().unwrap_or_default());
    }
}

fn present<const N: usize>(hash: &mut Sha256, bytes: Option<[u8; N]>) {
    hash.update([u8::from(bytes.is_some())]);
    if let Some(bytes) = bytes {
        hash.update(bytes);
    }
}
