//! Counters: exact under concurrency, all or nothing, and the same arithmetic everywhere.

use std::time::Duration;

use futures_util::future::join_all;

use super::fixture::Fixture;
use crate::store::gcra::Meter;
use crate::store::{Decision, Quota, Stores, Take, Terms};

const PER_MINUTE: Quota = Quota { limit: 60, window: Duration::from_secs(60), burst: 10 };

async fn take_one(stores: &Stores, key: &str, quota: Quota) -> Decision {
    stores.counters.take(&[Take { key, quota, cost: 1, shadow: false }]).await.unwrap()[0]
}

pub(super) async fn two_hundred_at_once_on_a_burst_of_ten_let_exactly_ten_through(on: Fixture) {
    let calls = (0..200).map(|_| {
        let stores = on.stores.clone();
        tokio::spawn(async move { take_one(&stores, "hot", PER_MINUTE).await.allowed })
    });
    let allowed = join_all(calls).await.into_iter().filter(|call| *call.as_ref().unwrap()).count();
    assert_eq!(allowed, 10);
}

pub(super) async fn all_keys_or_none(on: Fixture) {
    let tight = Quota { burst: 1, ..PER_MINUTE };
    let takes = [
        Take { key: "wide", quota: PER_MINUTE, cost: 2, shadow: false },
        Take { key: "tight", quota: tight, cost: 1, shadow: false },
    ];
    let first = on.stores.counters.take(&takes).await.unwrap();
    assert!(first.iter().all(|decision| decision.allowed));
    assert_eq!((first[0].remaining, first[1].remaining), (8, 0));
    for _ in 0..5 {
        let refused = on.stores.counters.take(&takes).await.unwrap();
        assert_eq!((refused[0].allowed, refused[0].remaining), (true, 8), "nothing taken from the key with room");
        assert_eq!((refused[1].allowed, refused[1].retry_after), (false, Duration::from_secs(1)));
    }
    assert!(on.stores.counters.take(&[]).await.unwrap().is_empty());
}

pub(super) async fn calls_over_the_same_keys_in_any_order_neither_deadlock_nor_overshoot(on: Fixture) {
    let keys: Vec<String> = (0..12).map(|key| format!("key-{key}")).collect();
    let calls = (0..240_usize).map(|call| {
        let (stores, mut keys) = (on.stores.clone(), keys.clone());
        if call % 2 == 0 {
            keys.reverse();
        }
        keys.rotate_left(call % 12);
        tokio::spawn(async move {
            let takes: Vec<Take<'_>> =
                keys.iter().map(|key| Take { key, quota: PER_MINUTE, cost: 1, shadow: false }).collect();
            stores.counters.take(&takes).await.unwrap().iter().all(|decision| decision.allowed)
        })
    });
    let allowed = join_all(calls).await.into_iter().filter(|call| *call.as_ref().unwrap()).count();
    assert_eq!(allowed, 10);
    for key in &keys {
        assert_eq!(on.stores.counters.peek(key, PER_MINUTE).await.unwrap().unwrap().remaining, 0);
    }
}

pub(super) async fn a_key_named_twice_is_charged_twice(on: Fixture) {
    let twice = [
        Take { key: "k", quota: PER_MINUTE, cost: 3, shadow: false },
        Take { key: "k", quota: PER_MINUTE, cost: 4, shadow: false },
    ];
    let taken = on.stores.counters.take(&twice).await.unwrap();
    assert_eq!((taken[0].remaining, taken[1].remaining), (7, 3));
    let refused = on.stores.counters.take(&twice).await.unwrap();
    assert!(refused[0].allowed && !refused[1].allowed);
    assert_eq!(on.stores.counters.peek("k", PER_MINUTE).await.unwrap().unwrap().remaining, 3);
}

pub(super) async fn quota_comes_back_with_time_and_not_before(on: Fixture) {
    for left in (0..10).rev() {
        assert_eq!(take_one(&on.stores, "k", PER_MINUTE).await.remaining, left);
    }
    let refused = take_one(&on.stores, "k", PER_MINUTE).await;
    assert_eq!((refused.allowed, refused.limit, refused.remaining), (false, 60, 0));
    assert_eq!((refused.retry_after, refused.reset_after), (Duration::from_secs(1), Duration::from_secs(10)));
    on.clock.advance(Duration::from_micros(999_999));
    assert!(!take_one(&on.stores, "k", PER_MINUTE).await.allowed);
    on.clock.advance(Duration::from_micros(1));
    assert!(take_one(&on.stores, "k", PER_MINUTE).await.allowed);
    assert!(!take_one(&on.stores, "k", PER_MINUTE).await.allowed);
    on.clock.advance(Duration::from_secs(3_600));
    assert_eq!(take_one(&on.stores, "k", PER_MINUTE).await.remaining, 9, "rest earns no more than the burst");
}

/// The script is a second edition of `gcra.rs`; here the two are held together over odd quotas and steps.
pub(super) async fn both_decide_as_the_pure_algorithm_does(on: Fixture) {
    let mut odd = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |below: u64| {
        odd = odd.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (odd >> 33) % below
    };
    for case in 0..20 {
        let mut small = |below| u32::try_from(draw(below) + 1).unwrap();
        let quota = Quota {
            limit: small(5_000),
            window: Duration::from_micros(u64::from(small(90_000_000))),
            burst: small(500),
        };
        let (meter, key, mut stored) = (Meter::of(quota), format!("case-{case}"), None);
        for _ in 0..40 {
            let cost = small(u64::from(quota.burst));
            let now = on.clock.now_micros();
            let (level, need) = (meter.settle(stored, now), meter.need(u64::from(cost)));
            let expected = if meter.fits(level, need) {
                let after = meter.filled(stored, level, need, now);
                stored = Some(after);
                meter.decision(after.amount, None)
            } else {
                meter.decision(level, Some(need))
            };
            let found = on.stores.counters.take(&[Take { key: &key, quota, cost, shadow: false }]).await.unwrap();
            assert_eq!(found.as_slice(), [expected], "{quota:?} cost {cost}");
            on.clock.advance(quota.window * small(80) / (quota.limit * 4));
        }
    }
}

pub(super) async fn peek_takes_nothing_and_reset_forgets(on: Fixture) {
    let peek = async || on.stores.counters.peek("k", PER_MINUTE).await.unwrap().unwrap().remaining;
    assert_eq!((peek().await, peek().await), (10, 10));
    take_one(&on.stores, "k", PER_MINUTE).await;
    assert_eq!((peek().await, peek().await), (9, 9));
    on.stores.counters.reset("k").await.unwrap();
    assert_eq!(peek().await, 10);
}

pub(super) async fn a_changed_quota_is_obeyed_at_once(on: Fixture) {
    for _ in 0..10 {
        take_one(&on.stores, "k", PER_MINUTE).await;
    }
    let faster = Quota { limit: 6_000, window: Duration::from_secs(60), burst: 50 };
    assert_eq!(take_one(&on.stores, "k", faster).await.retry_after, Duration::from_millis(10));
    on.clock.advance(Duration::from_millis(100));
    assert!(take_one(&on.stores, "k", faster).await.allowed);
}

pub(super) async fn a_shadow_keeps_nobody_out_and_is_charged_like_the_others(on: Fixture) {
    let tight = Quota { burst: 2, ..PER_MINUTE };
    let take = async |cost| {
        let takes = [
            Take { key: "real", quota: PER_MINUTE, cost, shadow: false },
            Take { key: "shadow", quota: tight, cost, shadow: true },
        ];
        on.stores.counters.take(&takes).await.unwrap().into_vec()
    };
    for left in [1, 0] {
        let taken = take(1).await;
        assert!(taken[1].allowed && taken[1].remaining == left);
    }
    let third = take(1).await;
    assert!(third[0].allowed && third[0].remaining == 7, "the shadow is full, and nobody minds");
    assert!(!third[1].allowed && third[1].retry_after == Duration::from_secs(1));
    on.clock.advance(Duration::from_secs(1));
    let refused = take(9).await;
    assert!(!refused[0].allowed && on.stores.counters.peek("shadow", tight).await.unwrap().unwrap().remaining == 1);
}

pub(super) async fn looking_is_never_refused_and_charges_nothing(on: Fixture) {
    let look = Take { key: "k", quota: PER_MINUTE, cost: 0, shadow: false };
    for _ in 0..10 {
        take_one(&on.stores, "k", PER_MINUTE).await;
    }
    let looked = on.stores.counters.take(&[look]).await.unwrap()[0];
    assert!(looked.allowed && looked.remaining == 0 && looked.retry_after.is_zero());
}

pub(super) async fn decisions_in_bounded_time_are_the_same_decisions(on: Fixture) {
    let terms = Terms { timeout: Duration::from_secs(20), instances: 4, alone: true };
    let take = [Take { key: "k", quota: PER_MINUTE, cost: 1, shadow: false }];
    for left in (0..10).rev() {
        let ruling = on.stores.counters.decide(&take, terms).await.unwrap();
        assert!(!ruling.alone && ruling.decisions[0].allowed && ruling.decisions[0].remaining == left);
    }
    assert!(!on.stores.counters.decide(&take, terms).await.unwrap().decisions[0].allowed);
    assert!(on.stores.counters.stats().keys == 1 && !on.stores.counters.stats().down);
}
