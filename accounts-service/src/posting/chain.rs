//! The hash chain: what a commit batch contributes to it, so that anyone can check that no posted row was changed.

use sha2::{Digest, Sha256};

use super::rows::{Rows, TransferRow};

/// SHA-256 over every transfer of the batch in order of commit, with its two entries. Integers are big-endian, texts
/// carry their length in front, so that no two batches run together into the same bytes.
pub(super) fn content(rows: &Rows) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(rows.posted_at.to_be_bytes());
    rows.transfers.iter().for_each(|row| feed(&mut hash, row));
    hash.finalize().into()
}

/// The chain's next link: previous hash, batch number, content. PostgreSQL computes the same in `post_batch`.
pub(super) fn link(previous: &[u8], batch_no: i64, content: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(batch_no.to_be_bytes());
    hash.update(content);
    hash.finalize().into()
}

fn feed(hash: &mut Sha256, row: &TransferRow) {
    let TransferRow { draft, posting } = row;
    hash.update(draft.id.as_uuid().as_bytes());
    for side in [&posting.debit, &posting.credit] {
        hash.update(side.id.as_uuid().as_bytes());
        hash.update(side.seq.to_be_bytes());
        hash.update(side.balance.to_be_bytes());
    }
    hash.update(draft.order.amount.get().to_be_bytes());
    hash.update(draft.order.currency.code());
    hash.update(draft.order.caller.as_uuid().as_bytes());
    let metadata = draft.metadata.as_ref().map(|raw| raw.get());
    for text in [draft.description.as_deref(), draft.external_ref.as_deref(), metadata] {
        // Absent and empty are two things.
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.unwrap_or_default());
    }
}
