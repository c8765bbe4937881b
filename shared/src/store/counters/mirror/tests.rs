//! Deciding alone: within the share of what was left, owed until it is paid, and never forgotten.

use std::time::Duration;

use super::*;
use crate::store::gcra::Quota;

const QUOTA: Quota = Quota { limit: 60, window: Duration::from_secs(60), burst: 12 };

struct Bench {
    clock: Clock,
    mirror: Mirror,
    asked: Vec<Asked>,
    meter: Meter,
}

impl Bench {
    fn new() -> Self {
        let clock = Clock::manual(time::macros::datetime!(2026-11-21 08:00 UTC));
        let (mirror, meter) = (Mirror::new(&clock), Meter::of(QUOTA));
        let (key, print, need) = ("k".to_owned(), mirror.print("k"), meter.need(1));
        let asked = vec![Asked { key, print, meter, need, cost: need, shadow: false }];
        Self { clock, mirror, asked, meter }
    }

    fn learn(&self, units: u64, paid: u64) {
        let unit = self.meter.fill;
        self.mirror.learn(self.asked[0].print, &self.meter, 3, units * unit, paid * unit);
    }

    /// How many pass until the first is refused.
    fn passes(&self) -> u64 {
        (0..).find(|_| !self.mirror.take(&self.asked, 3).1).unwrap()
    }

    /// Units that the counter is to be told.
    fn debt(&self) -> Option<(u64, u64)> {
        let debt = self.mirror.debt(self.asked[0].print, &self.meter, 3)?;
        Some((debt.floor / self.meter.fill, debt.owed / self.meter.fill))
    }
}

#[test]
fn alone_it_lets_through_its_share_of_what_was_left() {
    let bench = Bench::new();
    assert_eq!(bench.passes(), 4, "a third of twelve");
    let bench = Bench::new();
    bench.learn(6, 0);
    assert_eq!(bench.passes(), 2, "a third of the six that were left");
    bench.clock.advance(Duration::from_secs(3));
    assert_eq!(bench.passes(), 1, "a third of the three that came back");
}

#[test]
fn what_was_let_through_is_owed_until_it_is_paid() {
    let bench = Bench::new();
    bench.learn(3, 0);
    assert_eq!(bench.debt(), None);
    assert_eq!(bench.passes(), 3);
    assert_eq!(bench.debt(), Some((3, 3)));
    bench.learn(5, 2);
    assert_eq!(bench.debt(), Some((5, 1)), "two of three have arrived");
    bench.learn(6, 1);
    assert_eq!(bench.debt(), None);
}

#[test]
fn debts_drain_like_the_share_that_they_are() {
    let bench = Bench::new();
    bench.learn(3, 0);
    bench.passes();
    bench.clock.advance(Duration::from_secs(6));
    assert_eq!(bench.debt(), Some((0, 2)), "three seconds for what was known, three more for a unit of its own");
    bench.clock.advance(Duration::from_secs(6));
    assert_eq!(bench.debt(), None);
}

#[test]
fn an_instance_at_rest_lets_one_through_however_small_its_share() {
    let quota = Quota { burst: 1, ..QUOTA };
    let mut bench = Bench::new();
    bench.meter = Meter::of(quota);
    bench.asked[0].meter = bench.meter;
    assert_eq!(bench.passes(), 1);
    bench.clock.advance(Duration::from_secs(2));
    assert_eq!(bench.passes(), 0, "all three together have one a second");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.passes(), 1);
}

#[test]
fn a_server_that_may_have_forgotten_is_told_what_it_knew() {
    let bench = Bench::new();
    bench.learn(9, 0);
    bench.clock.advance(Duration::from_secs(1));
    bench.mirror.doubt();
    assert_eq!(bench.debt(), Some((8, 0)));
    bench.learn(8, 0);
    assert_eq!(bench.debt(), None);
}

#[test]
fn keys_that_owe_are_listed_once() {
    let bench = Bench::new();
    bench.passes();
    for _ in 0..3 {
        bench.mirror.list(bench.asked.iter().map(|one| one.owing(3)));
    }
    assert!(bench.mirror.owes());
    assert_eq!(bench.mirror.unlist(10).len(), 1);
    assert!(!bench.mirror.owes());
}
