//! Properties of the algorithm, against a model that counts what was admitted and against GCRA's other form.

use std::time::Duration;

use proptest::prelude::*;

use super::{Decision, Level, Meter, Quota};

const START: i64 = 1_780_000_000_000_000;

/// One key under test.
struct Key {
    meter: Meter,
    stored: Option<Level>,
}

impl Key {
    fn new(quota: Quota) -> Self {
        Self { meter: Meter::of(quota), stored: None }
    }

    fn take(&mut self, cost: u32, now: i64) -> Decision {
        let level = self.meter.settle(self.stored, now);
        let need = self.meter.need(u64::from(cost));
        if !self.meter.fits(level, need) {
            return self.meter.decision(level, Some(need));
        }
        let after = self.meter.filled(self.stored, level, need, now);
        self.stored = Some(after);
        self.meter.decision(after.amount, None)
    }
}

/// The virtual scheduling form, with the theoretical arrival time scaled by the limit so that it is exact as well.
struct VirtualScheduling {
    window: i128,
    limit: i128,
    tolerance: i128,
    arrival: i128,
}

impl VirtualScheduling {
    fn new(quota: Quota) -> Self {
        let window = i128::try_from(quota.window.as_micros()).unwrap_or(i128::MAX);
        Self { window, limit: i128::from(quota.limit), tolerance: window * i128::from(quota.burst), arrival: 0 }
    }

    fn take(&mut self, cost: u32, now: i64) -> bool {
        let now = i128::from(now) * self.limit;
        let next = self.arrival.max(now) + self.window * i128::from(cost);
        let allowed = next - now <= self.tolerance;
        if allowed {
            self.arrival = next;
        }
        allowed
    }
}

fn quotas() -> impl Strategy<Value = Quota> {
    (1..2_000_u32, 1..120_000_000_u64, 1..300_u32).prop_map(|(limit, window, burst)| Quota {
        limit,
        window: Duration::from_micros(window),
        burst,
    })
}

/// Steps in units of a quarter of the emission interval, so that runs neither starve nor idle.
fn steps() -> impl Strategy<Value = Vec<(u64, u32)>> {
    prop::collection::vec((0..12_u64, 1..4_u32), 1..200)
}

fn elapse(quota: Quota, quarters: u64) -> i64 {
    let window = u64::try_from(quota.window.as_micros()).unwrap_or(u64::MAX);
    i64::try_from(window * quarters / (4 * u64::from(quota.limit))).unwrap_or(i64::MAX)
}

proptest! {
    #[test]
    fn no_stretch_of_time_lets_through_more_than_burst_and_quota(quota in quotas(), steps in steps()) {
        let (mut key, mut now, mut admitted) = (Key::new(quota), START, Vec::new());
        for (quarters, cost) in steps {
            now += elapse(quota, quarters);
            if key.take(cost, now).allowed {
                admitted.push((now, u128::from(cost)));
            }
        }
        for first in 0..admitted.len() {
            let mut passed = 0;
            for (at, cost) in &admitted[first..] {
                passed += cost;
                let stretch = u128::try_from(at - admitted[first].0).unwrap_or(0);
                let earned = u128::from(quota.limit) * stretch / quota.window.as_micros();
                prop_assert!(passed <= u128::from(quota.burst) + earned);
            }
        }
    }

    #[test]
    fn both_forms_of_the_algorithm_decide_alike(quota in quotas(), steps in steps()) {
        let (mut key, mut twin, mut now) = (Key::new(quota), VirtualScheduling::new(quota), START);
        for (quarters, cost) in steps {
            now += elapse(quota, quarters);
            prop_assert_eq!(key.take(cost, now).allowed, twin.take(cost, now));
        }
    }

    #[test]
    fn retry_after_is_exactly_when_it_fits(quota in quotas(), steps in steps()) {
        let (mut key, mut now) = (Key::new(quota), START);
        for (quarters, cost) in steps {
            now += elapse(quota, quarters);
            let decision = key.take(cost, now);
            if decision.allowed || cost > quota.burst {
                continue;
            }
            let wait = i64::try_from(decision.retry_after.as_micros()).unwrap_or(i64::MAX);
            prop_assert!(wait > 0);
            prop_assert!(!key.take(cost, now + wait - 1).allowed);
            now += wait;
            prop_assert!(key.take(cost, now).allowed);
        }
    }

    #[test]
    fn remaining_is_exactly_what_still_passes(quota in quotas(), cost in 0..100_u32) {
        let mut key = Key::new(quota);
        let remaining = key.take(cost, START).remaining;
        prop_assert!(!key.take(remaining + 1, START).allowed);
        prop_assert!(key.take(remaining, START).allowed);
        let rested = START + i64::try_from(key.take(0, START).reset_after.as_micros()).unwrap_or(0);
        prop_assert!(key.take(quota.burst, rested).allowed);
    }

    #[test]
    fn within_more_after_what_remains_is_exact_and_then_there_is_more(quota in quotas(), cost in 1..200_u32) {
        let mut key = Key::new(quota);
        key.take(cost, START);
        let seen = key.take(0, START);
        let wait = i64::try_from(seen.more_after.as_micros()).unwrap_or(i64::MAX);
        if wait == 0 {
            prop_assert_eq!(seen.remaining, quota.burst);
        } else {
            prop_assert_eq!(key.take(0, START + wait - 1).remaining, seen.remaining);
            prop_assert!(key.take(0, START + wait).remaining > seen.remaining);
        }
    }

    #[test]
    fn a_clock_that_goes_back_grants_nothing(quota in quotas(), back in 0..10_000_000_i64) {
        let mut key = Key::new(quota);
        prop_assert!(key.take(quota.burst, START).allowed);
        prop_assert!(!key.take(1, START - back).allowed);
        prop_assert!(!key.take(1, START).allowed);
    }

    #[test]
    fn instances_that_cannot_ask_each_other_stay_within_the_quota_together(
        quota in quotas(), instances in 1..6_u32, steps in steps()
    ) {
        let shared = Meter::of(quota);
        let mut own: Vec<Option<Level>> = vec![None; usize::try_from(instances).unwrap_or(1)];
        let (mut now, mut admitted) = (START, 0_u128);
        for (index, (quarters, _)) in steps.into_iter().enumerate() {
            now += elapse(quota, quarters);
            let one = index % own.len();
            let need = shared.need(1) * u64::from(instances);
            let meter = shared.alone(instances, shared.need(1));
            let level = meter.settle(own[one], now);
            if meter.fits(level, need) {
                own[one] = Some(meter.filled(own[one], level, need, now));
                admitted += 1;
            }
        }
        let stretch = u128::try_from(now - START).unwrap_or(0);
        let earned = u128::from(quota.limit) * stretch / quota.window.as_micros();
        // At least one each, however small the share.
        prop_assert!(admitted <= u128::from(quota.burst.max(instances)) + earned);
    }

    #[test]
    fn a_changed_quota_never_owes_more_than_its_own_burst(before in quotas(), after in quotas()) {
        let mut key = Key::new(before);
        key.take(before.burst, START);
        key.meter = Meter::of(after);
        let rest = i64::try_from(key.take(0, START).reset_after.as_micros()).unwrap_or(0);
        prop_assert!(key.take(after.burst, START + rest).allowed);
    }
}

#[test]
fn zero_limit_and_zero_burst_let_nothing_through() {
    let window = Duration::from_secs(1);
    for quota in [Quota { limit: 0, window, burst: 5 }, Quota { limit: 5, window, burst: 0 }] {
        let decision = Key::new(quota).take(1, START);
        assert!(!decision.allowed && decision.remaining == 0 && decision.retry_after > Duration::ZERO);
    }
}

#[test]
fn extremes_neither_panic_nor_let_more_through() {
    let quota = Quota { limit: 4_294_967_291, window: Duration::MAX, burst: u32::MAX };
    let mut key = Key::new(quota);
    assert!(!key.take(u32::MAX, START).allowed);
    assert!(key.take(1, i64::MAX).allowed);
    assert!(quota.exact_burst() < u64::from(u32::MAX));
}

#[test]
fn a_clock_set_back_by_an_hour_locks_nobody_out() {
    let quota = Quota { limit: 60, window: Duration::from_secs(60), burst: 10 };
    let (mut key, back) = (Key::new(quota), START - 3_600_000_000);
    assert!(key.take(9, START).allowed && key.take(1, back).allowed && !key.take(1, back).allowed);
    assert!(key.take(1, back + 1_000_000).allowed, "it drains by the clock as it is now");
}

#[test]
fn looking_is_never_refused() {
    let mut key = Key::new(Quota { limit: 1, window: Duration::from_secs(1), burst: 1 });
    assert!(key.take(1, START).allowed && key.take(0, START).allowed);
    assert!(Key::new(Quota { limit: 0, window: Duration::from_secs(1), burst: 0 }).take(0, START).allowed);
}
