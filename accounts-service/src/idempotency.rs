//! Idempotency: whose key for which route, and for POSTs that are not transfers the claim in the change's transaction.

mod header;
mod once;
mod running;
mod stored;
mod sweep;

pub use header::KeyHeader;
pub use once::{Claim, once};
pub use running::Running;
pub use stored::Stored;
pub use sweep::{keep_sweeping, sweep};

use sha2::digest::Output;
use sha2::{Digest, Sha256};
use shared::domain::UserId;
use shared::wire::idempotency::Key;
use uuid::Uuid;

use crate::posting::KeyDigest;

/// The scope of a key: caller, method and route. The route is without the API version: a payment retried on the next
/// version is still the same payment.
#[must_use]
pub fn digest(caller: UserId, route: &'static str, key: &Key) -> KeyDigest {
    let mut hash = Sha256::new();
    hash.update(caller.as_uuid());
    hash.update((route.len() as u64).to_be_bytes());
    hash.update(route);
    hash.update(key.as_str());
    KeyDigest(cut(hash))
}

/// The first 128 bits: two columns of 16 bytes keep the index of keys small, and a caller can only collide with
/// themselves.
#[must_use]
pub fn cut(hash: Sha256) -> Uuid {
    let full: Output<Sha256> = hash.finalize();
    let mut short = [0; 16];
    short.copy_from_slice(&full[..16]);
    Uuid::from_bytes(short)
}
