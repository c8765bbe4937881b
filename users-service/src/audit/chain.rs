//! The hash chain: what each row contributes to it, so that anyone can check that none was changed, added or taken.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::db::entity::audit_event::Model;

/// Bytes in front of what may have to be forgotten: without them, its digest tells nothing.
const SALT_BYTES: usize = 16;

/// The hash before the first row.
pub(super) const GENESIS: [u8; 32] = [0; 32];

/// A text that the chain knows by its digest alone, so that text and salt can be taken away.
pub(super) struct Sealed {
    pub salt: Vec<u8>,
    pub text: String,
    pub digest: [u8; 32],
}

impl Sealed {
    /// Under a fresh salt.
    pub fn new(text: String) -> Self {
        let salt = rand::random::<[u8; SALT_BYTES]>().to_vec();
        let digest = digest(&salt, &text);
        Self { salt, text, digest }
    }
}

fn digest(salt: &[u8], text: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(text);
    hash.finalize().into()
}

/// Whether a sealed text is what was sealed, or is gone together with its salt.
pub(super) fn holds(salt: Option<&[u8]>, text: Option<&str>, sealed: &[u8]) -> bool {
    match (salt, text) {
        (Some(salt), Some(text)) => salt.len() == SALT_BYTES && digest(salt, text) == *sealed,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// A row's hash: SHA-256 over the hash before it, its number, id and instant (big-endian), its texts with their length
/// in front, its ids with a byte in front, and its two digests. So no two rows run together into the same bytes.
pub(super) fn link(previous: &[u8; 32], row: &Model) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(row.seq.to_be_bytes());
    hash.update(row.id.as_bytes());
    hash.update(row.at.to_be_bytes());
    let texts = [Some(&row.kind), Some(&row.outcome), Some(&row.actor_kind), row.actor.as_ref()];
    for text in texts {
        // Absent and empty are two things.
        hash.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
        hash.update(text.map_or("", String::as_str));
    }
    for id in [row.subject_id, row.session_id] {
        hash.update([u8::from(id.is_some())]);
        hash.update(id.unwrap_or(Uuid::nil()));
    }
    hash.update(&row.origin_digest);
    hash.update(&row.detail_digest);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_for_ever() {
        let sealed = |text: &str| digest(&[7; SALT_BYTES], text).to_vec();
        let row = Model {
            seq: 3,
            id: Uuid::from_u128(1),
            at: 1_767_225_600_000_000,
            kind: "sign_in.succeeded".to_owned(),
            outcome: "succeeded".to_owned(),
            actor_kind: "user".to_owned(),
            actor: Some("ada".to_owned()),
            subject_id: Some(Uuid::from_u128(2)),
            session_id: None,
            origin_salt: None,
            origin: None,
            origin_digest: sealed("192.0.2.7"),
            detail_salt: None,
            detail: None,
            detail_digest: sealed("{}"),
            hash: Vec::new(),
        };
        assert_eq!(
            hex::encode(link(&GENESIS, &row)),
            "c9d34eac44653947653a779ce416795f03b40c856942ea4681c9bdcb325c2ff5"
        );
    }
}
