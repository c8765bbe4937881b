//! The bound, what is forgotten first, and memory that comes back.

use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::store::counters::Take;
use crate::store::counters::memory::MemoryCounters;
use crate::store::gcra::{Level, Quota};

const MIB: usize = 1 << 20;

/// `full` of 8 eighths at time 0, and a second to empty.
fn entry(full: u64) -> Level {
    Level { amount: full * 125_000, drain: 1, capacity: 1_000_000, at: 0 }
}

fn put(table: &Table<Level>, key: u64, entry: Level, now: i64) {
    let print = table.print(&key.to_string());
    table.lock(&[print]).put(print, entry, now);
}

fn holds(table: &Table<Level>, key: u64) -> bool {
    let print = table.print(&key.to_string());
    table.lock(&[print]).get(print).is_some()
}

#[test]
fn a_million_keys_take_forty_mebibytes_and_no_more() {
    let table = Table::new();
    assert!(table.bytes() < MIB / 16, "next to nothing at rest: {}", table.bytes());
    for key in 0..1_100_000 {
        put(&table, key, entry(1), 0);
    }
    assert!(table.len() <= MAX_KEYS && table.len() > MAX_KEYS * 8 / 10, "{}", table.len());
    assert!(table.bytes() <= 40 * MIB, "{}", table.bytes());
}

/// A table for 32,768 keys, on which ten times as many press.
fn small() -> Table<Level> {
    Table::with_sets(64)
}

#[test]
fn a_flood_of_new_keys_pushes_out_its_like_and_nobody_who_is_exhausted() {
    let table = small();
    for key in 0..1_000 {
        put(&table, key, entry(8), 0);
    }
    for key in 1_000..300_000 {
        put(&table, key, entry(1), 0);
    }
    assert_eq!((0..1_000).filter(|key| holds(&table, *key)).count(), 1_000);
    // Of those before, one in thousands has been pushed out by its like.
    assert!(holds(&table, 299_999), "and who came last is known");
}

#[test]
fn what_is_empty_gives_its_place_and_its_memory_back() {
    let table = small();
    for key in 0..30_000 {
        put(&table, key, entry(8), 0);
    }
    let full = table.bytes();
    for key in 100_000..102_000 {
        put(&table, key, Level { at: SWEEP, ..entry(8) }, SWEEP);
    }
    assert!(table.len() <= 2_000 && table.bytes() <= full / 4, "{} of {full} bytes", table.bytes());
    assert!((100_000..102_000).all(|key| holds(&table, key)));
}

#[test]
fn who_is_refused_cannot_have_the_counter_forgotten() {
    let counters = MemoryCounters::on(small(), &Clock::manual(time::macros::datetime!(2026-11-21 08:00 UTC)));
    let quota = Quota { limit: 10, window: Duration::from_secs(60), burst: 10 };
    let allowed = |key: &str, cost| counters.take(&[Take { key, quota, cost, shadow: false }])[0].allowed;
    assert!(allowed("attacker", 10));
    for key in 0..200_000 {
        allowed(&key.to_string(), 1);
        assert!(key % 10_000 != 0 || !allowed("attacker", 1), "after {key} others");
    }
    assert!(!allowed("attacker", 1));
}
