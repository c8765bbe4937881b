//! A bounded map in two generations: what was written lately survives, what nobody touches falls out, at constant cost.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// A young generation older than this (microseconds) makes way as soon as the old one is empty.
const MAX_AGE: i64 = 60_000_000;

/// What a value must say about itself to be kept.
pub(super) trait Kept {
    /// Its share of the bound.
    fn weight(&self) -> u64;
    /// From when on it is as good as absent, in microseconds since the epoch.
    fn expires_at(&self) -> i64;
}

/// The map. Writes go to the young generation; when that holds half the bound it becomes the old one, and the old one
/// is dropped whole. An exact LRU list was rejected: it costs a list operation on every read under a lock.
#[derive(Debug)]
pub(super) struct Generations<K, V> {
    young: Generation<K, V>,
    old: Generation<K, V>,
    half: u64,
}

#[derive(Debug)]
struct Generation<K, V> {
    entries: HashMap<K, V>,
    weight: u64,
    born: i64,
    last_expiry: i64,
}

impl<K, V> Generation<K, V> {
    fn new(now: i64) -> Self {
        Self { entries: HashMap::new(), weight: 0, born: now, last_expiry: i64::MIN }
    }
}

impl<K: Hash + Eq, V: Kept> Generations<K, V> {
    /// A map that never holds more than `bound`.
    pub fn new(bound: u64) -> Self {
        Self { young: Generation::new(i64::MIN), old: Generation::new(i64::MIN), half: (bound / 2).max(1) }
    }

    /// The value under `key`, unless it has expired.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q, now: i64) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let found = self.young.entries.get(key).or_else(|| self.old.entries.get(key))?;
        (found.expires_at() > now).then_some(found)
    }

    /// The value under `key`, which from now on counts as just written.
    pub fn touch<Q: Hash + Eq + ?Sized>(&mut self, key: &Q, now: i64) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        if let Some((owned, value)) = self.old.entries.remove_entry(key) {
            self.old.weight -= value.weight();
            if value.expires_at() > now {
                self.put(owned, value, now);
            }
        }
        self.get(key, now)
    }

    /// Writes `value`. One that weighs more than half the bound is not kept.
    pub fn put(&mut self, key: K, value: V, now: i64) {
        self.remove(&key);
        if value.weight() > self.half {
            return;
        }
        self.make_room(value.weight(), now);
        self.young.weight += value.weight();
        self.young.last_expiry = self.young.last_expiry.max(value.expires_at());
        self.young.entries.insert(key, value);
    }

    /// Forgets `key`.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
    {
        for generation in [&mut self.young, &mut self.old] {
            if let Some(gone) = generation.entries.remove(key) {
                generation.weight -= gone.weight();
            }
        }
    }

    fn make_room(&mut self, weight: u64, now: i64) {
        if !self.old.entries.is_empty() && self.old.last_expiry <= now {
            self.old = Generation::new(now);
        }
        if self.young.entries.is_empty() {
            self.young.born = now;
        }
        let full = self.young.weight + weight > self.half;
        let aged = self.old.entries.is_empty() && self.young.born.saturating_add(MAX_AGE) <= now;
        if full || aged {
            self.old = std::mem::replace(&mut self.young, Generation::new(now));
        }
    }

    #[cfg(test)]
    pub fn weight(&self) -> u64 {
        self.young.weight + self.old.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Value(u64, i64);

    impl Kept for Value {
        fn weight(&self) -> u64 {
            self.0
        }
        fn expires_at(&self) -> i64 {
            self.1
        }
    }

    #[test]
    fn the_bound_holds_and_what_was_just_written_is_there() {
        let mut map = Generations::new(100);
        for key in 0..10_000_u64 {
            map.put(key, Value(key % 7 + 1, i64::MAX), 0);
            assert!(map.weight() <= 100 && map.get(&key, 0).is_some());
        }
        assert!(map.get(&0, 0).is_none());
        map.put(1, Value(51, i64::MAX), 0);
        assert!(map.get(&1, 0).is_none(), "half the bound is the most one value may weigh");
    }

    #[test]
    fn rewriting_and_removing_keep_the_weight_right() {
        let mut map = Generations::new(100);
        for weight in [10, 20, 5] {
            map.put("key", Value(weight, i64::MAX), 0);
            assert_eq!(map.weight(), weight);
        }
        map.remove("key");
        assert_eq!(map.weight(), 0);
    }

    #[test]
    fn expired_values_are_absent_and_give_their_memory_back() {
        let mut map = Generations::new(1_000);
        for key in 0..100 {
            map.put(key, Value(1, 10), 0);
        }
        assert!(map.get(&5, 9).is_some() && map.get(&5, 10).is_none());
        map.put(100, Value(1, i64::MAX), MAX_AGE);
        map.put(101, Value(1, i64::MAX), MAX_AGE);
        assert_eq!(map.weight(), 2);
    }
}
