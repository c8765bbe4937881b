//! The hash chain: what a commit batch contributes to it, so that anyone can check that no recorded row was changed.
//!
//! Format 2. It covers what was decided and in which order; each entry's `seq` and `balance_after` follow from that, so
//! whoever checks derives and compares them. Integers are big-endian, texts carry their length in front, so that no two
//! batches run together into the same bytes. Format 1 (SHA-256 over the rows of a batch without leaves, with both sides'
//! `seq` and balance) was written by the release before.

use sha2::{Digest, Sha256};

use super::core::{Decided, Recorded};
use super::rows::TransferRow;

/// Over the leaves of every transfer of the batch, in order of commit.
pub(super) fn content(transfers: &[TransferRow]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update("tollgate batch 2");
    hash.update(u32::try_from(transfers.len()).unwrap_or(u32::MAX).to_be_bytes());
    transfers.iter().for_each(|row| hash.update(leaf(&row.decided)));
    hash.finalize().into()
}

/// The chain's next link. PostgreSQL computes the same in `commit_batch`.
pub(super) fn link(previous: &[u8], (batch_no, first_position, at): (i64, i64, i64), content: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    [batch_no, first_position, at].iter().for_each(|number| hash.update(number.to_be_bytes()));
    hash.update(content);
    hash.finalize().into()
}

/// One transfer.
fn leaf(Decided { record, memo }: &Decided) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([2]);
    hash.update(record.id.as_uuid());
    hash.update([kind(record.status)]);
    hash.update(record.debit.as_uuid());
    hash.update(record.credit.as_uuid());
    hash.update(record.amount.get().to_be_bytes());
    hash.update(record.currency.code());
    hash.update(record.by.as_uuid());
    for of in [record.pending_of, record.reversal_of] {
        option(&mut hash, of.map(|id| id.as_uuid().into_bytes()));
    }
    option(&mut hash, record.expires_at.map(i64::to_be_bytes));
    let metadata = memo.metadata.as_ref().map(|raw| raw.get());
    for text in [memo.description.as_deref(), memo.external_ref.as_deref(), metadata] {
        // Absent and empty are two things.
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.unwrap_or_default());
    }
    hash.finalize().into()
}

const fn kind(status: Recorded) -> u8 {
    match status {
        Recorded::Posted => 1,
        Recorded::Pending => 2,
        Recorded::Voided => 3,
    }
}

fn option<const N: usize>(hash: &mut Sha256, bytes: Option<[u8; N]>) {
    hash.update([u8::from(bytes.is_some())]);
    hash.update(bytes.as_ref().map_or([].as_slice(), |bytes| bytes));
}
