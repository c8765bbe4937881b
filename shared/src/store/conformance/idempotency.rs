//! Idempotency keys: one claim at a time, one outcome, and nothing forgotten before its time.

use std::time::Duration;

use bytes::Bytes;

use super::fixture::Fixture;
use crate::store::idempotency::{Claim, Digest, Found, Outcome};

const LEASE: Duration = Duration::from_secs(10);
const KEEP: Duration = Duration::from_secs(86_400);
const TICK: Duration = Duration::from_micros(1);

fn claim(owner: u128) -> Claim {
    let key: Digest = [7; 32];
    Claim { key, fingerprint: [1; 32], owner, lease: LEASE, keep: KEEP, take_over: false }
}

fn done(bytes: impl Into<Bytes>) -> Outcome {
    Outcome::Done(bytes.into())
}

pub(super) async fn of_a_hundred_claims_one_is_made(on: Fixture) {
    let claims = (0..100).map(|owner| {
        let keys = on.stores.idempotency.clone();
        tokio::spawn(async move { keys.claim(&claim(owner)).await.unwrap() })
    });
    let mut made = 0;
    for found in claims.collect::<Vec<_>>() {
        match found.await.unwrap() {
            Found::Ours => made += 1,
            found => assert_eq!(found, Found::Running),
        }
    }
    assert_eq!(made, 1);
    let other = Claim { fingerprint: [2; 32], ..claim(200) };
    assert_eq!(on.stores.idempotency.claim(&other).await.unwrap(), Found::Other);
    let elsewhere = Claim { key: [8; 32], ..other };
    assert_eq!(on.stores.idempotency.claim(&elsewhere).await.unwrap(), Found::Ours);
}

pub(super) async fn an_outcome_is_told_until_its_time_is_over(on: Fixture) {
    let (keys, every_byte) = (&on.stores.idempotency, Bytes::from_iter((0..=u8::MAX).cycle().take(100_000)));
    assert_eq!(keys.claim(&claim(1)).await.unwrap(), Found::Ours);
    on.clock.advance(LEASE / 2);
    keys.settle(&claim(1), &done(every_byte.clone())).await.unwrap();
    on.clock.advance(KEEP - TICK);
    assert_eq!(keys.claim(&claim(2)).await.unwrap(), Found::Done(every_byte));
    assert_eq!(keys.claim(&Claim { fingerprint: [2; 32], ..claim(3) }).await.unwrap(), Found::Other);
    on.clock.advance(TICK);
    assert_eq!(keys.claim(&Claim { fingerprint: [2; 32], ..claim(3) }).await.unwrap(), Found::Ours);
    keys.settle(&Claim { fingerprint: [2; 32], ..claim(3) }, &done(Bytes::new())).await.unwrap();
    assert_eq!(keys.claim(&Claim { fingerprint: [2; 32], ..claim(4) }).await.unwrap(), Found::Done(Bytes::new()));
}

pub(super) async fn a_free_key_can_be_claimed_by_another_request(on: Fixture) {
    let keys = &on.stores.idempotency;
    assert_eq!(keys.claim(&claim(1)).await.unwrap(), Found::Ours);
    keys.settle(&claim(2), &Outcome::Free).await.unwrap();
    assert_eq!(keys.claim(&claim(3)).await.unwrap(), Found::Running, "only its holder frees a key");
    keys.settle(&claim(1), &Outcome::Free).await.unwrap();
    assert_eq!(keys.claim(&Claim { fingerprint: [2; 32], ..claim(3) }).await.unwrap(), Found::Ours);
}

pub(super) async fn a_claim_that_lapsed_stays_or_is_made_anew(on: Fixture) {
    let keys = &on.stores.idempotency;
    let anew = |owner| Claim { take_over: true, ..claim(owner) };
    assert_eq!(keys.claim(&claim(1)).await.unwrap(), Found::Ours);
    on.clock.advance(LEASE - TICK);
    assert_eq!(keys.claim(&anew(2)).await.unwrap(), Found::Running);
    on.clock.advance(TICK);
    assert_eq!(keys.claim(&claim(3)).await.unwrap(), Found::Lapsed);
    assert_eq!(keys.claim(&anew(4)).await.unwrap(), Found::Ours);
    assert_eq!(keys.claim(&anew(5)).await.unwrap(), Found::Running, "with a lease of its own");
    keys.settle(&claim(4), &Outcome::Unknown).await.unwrap();
    assert_eq!(keys.claim(&claim(6)).await.unwrap(), Found::Lapsed, "at once");
    on.clock.advance(KEEP - TICK);
    assert_eq!(keys.claim(&claim(6)).await.unwrap(), Found::Lapsed);
    on.clock.advance(TICK);
    assert_eq!(keys.claim(&claim(6)).await.unwrap(), Found::Ours);
}

pub(super) async fn a_late_outcome_counts_unless_another_has_the_key(on: Fixture) {
    let keys = &on.stores.idempotency;
    assert_eq!(keys.claim(&claim(1)).await.unwrap(), Found::Ours);
    on.clock.advance(2 * LEASE);
    assert_eq!(keys.claim(&claim(2)).await.unwrap(), Found::Lapsed);
    keys.settle(&claim(1), &done("late")).await.unwrap();
    assert_eq!(keys.claim(&claim(2)).await.unwrap(), Found::Done("late".into()));

    let first = Claim { key: [9; 32], ..claim(1) };
    let second = Claim { owner: 2, take_over: true, ..first };
    assert_eq!(keys.claim(&first).await.unwrap(), Found::Ours);
    on.clock.advance(2 * LEASE);
    assert_eq!(keys.claim(&second).await.unwrap(), Found::Ours);
    for too_late in [done("late"), Outcome::Unknown, Outcome::Free] {
        keys.settle(&first, &too_late).await.unwrap();
        assert_eq!(keys.claim(&first).await.unwrap(), Found::Running);
    }
    keys.settle(&second, &done("second")).await.unwrap();
    assert_eq!(keys.claim(&first).await.unwrap(), Found::Done("second".into()));
}

/// A claim that timed out may never have arrived; what came of it is worth keeping all the same.
pub(super) async fn an_outcome_without_its_claim_is_kept(on: Fixture) {
    let keys = &on.stores.idempotency;
    keys.settle(&claim(1), &Outcome::Free).await.unwrap();
    keys.settle(&claim(1), &done("kept")).await.unwrap();
    assert_eq!(keys.claim(&claim(2)).await.unwrap(), Found::Done("kept".into()));
}
