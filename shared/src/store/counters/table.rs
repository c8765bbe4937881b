//! A bounded table of meters: it grows with what it holds, gives memory back, and when it is full forgets the emptiest.
//!
//! Places are in sets of eight; a key's set follows from its hash, and eviction looks at that set alone. What is forgotten
//! is the meter that is least full, so a flood of new keys (addresses cost an attacker nothing) pushes out its like, and
//! never a key that has used up its quota: for that, its whole set would have to be used up as well, and nobody can aim at
//! a set of a keyed hash. An LRU was rejected: whoever is refused could have their own counter forgotten by such a flood.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;

use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use crate::store::gcra::Level;

/// Keys held at once, over all shards.
pub const MAX_KEYS: usize = SHARDS * MAX_SETS * WAYS;
/// Locks that the keys are spread over.
const SHARDS: usize = 64;
/// Sets of one shard, at most.
const MAX_SETS: usize = 2_048;
/// Places of one set.
const WAYS: usize = 8;
/// How often a shard that is written to looks whether it has become too large, in microseconds.
const SWEEP: i64 = 60_000_000;

/// A key as 64 bits of keyed hash: no allocation per key, and nobody can aim at a collision. Two keys of a full table
/// share a counter once in thirty million tables.
pub(super) type Print = NonZeroU64;
/// The keys of one call.
pub(super) type Prints = SmallVec<[Print; 4]>;

/// What forgetting a meter would give away: what is worth least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Worth {
    /// How full it is, in eighths of its capacity.
    pub eighths: u64,
    /// When it is empty and as good as absent, in microseconds.
    pub empty_at: i64,
}

impl Worth {
    /// Of a meter that was at `level`.
    pub fn of(level: Level, now: i64) -> Self {
        Self { eighths: level.drained(now).saturating_mul(8) / level.capacity.max(1), empty_at: level.empty_at() }
    }
}

/// What a table holds.
pub(super) trait Held: Copy {
    /// What it is worth at `now`.
    fn worth(&self, now: i64) -> Worth;
}

impl Held for Level {
    fn worth(&self, now: i64) -> Worth {
        Worth::of(*self, now)
    }
}

#[derive(Debug)]
pub(super) struct Table<V> {
    hasher: RandomState,
    shards: Vec<Mutex<Shard<V>>>,
}

#[derive(Debug)]
struct Shard<V> {
    sets: Vec<[Option<Place<V>>; WAYS]>,
    most_sets: usize,
    held: usize,
    swept_at: i64,
}

#[derive(Clone, Copy, Debug)]
struct Place<V> {
    print: Print,
    value: V,
}

/// The shards that one call holds.
pub(super) struct Locked<'a, V>(SmallVec<[(usize, MutexGuard<'a, Shard<V>>); 4]>);

impl<V: Held> Table<V> {
    pub fn new() -> Self {
        Self::with_sets(MAX_SETS)
    }

    /// With at most so many sets a shard, a power of two.
    fn with_sets(most_sets: usize) -> Self {
        let shard = || Mutex::new(Shard { sets: vec![[None; WAYS]], most_sets, held: 0, swept_at: i64::MIN });
        Self { hasher: RandomState::new(), shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// What stands for `key` here.
    pub fn print(&self, key: &str) -> Print {
        Print::new(self.hasher.hash_one(key)).unwrap_or(Print::MIN)
    }

    /// Locks the shards of all keys, in ascending order, so that two calls never wait for each other in a circle.
    pub fn lock(&self, prints: &[Print]) -> Locked<'_, V> {
        let mut indices: SmallVec<[usize; 4]> = prints.iter().map(shard_of).collect();
        indices.sort_unstable();
        indices.dedup();
        Locked(indices.into_iter().map(|index| (index, self.shards[index].lock())).collect())
    }

    /// Keys that are held, among them some that are empty by now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().held).sum()
    }

    /// Bytes that the places take.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        let places: usize = self.shards.iter().map(|shard| shard.lock().sets.capacity() * WAYS).sum();
        places * size_of::<Option<Place<V>>>()
    }
}

impl<V: Held> Locked<'_, V> {
    pub fn get(&self, print: Print) -> Option<V> {
        let index = shard_of(&print);
        let (_, shard) = self.0.iter().find(|(held, _)| *held == index)?;
        shard.sets[shard.set_of(print)].iter().flatten().find(|place| place.print == print).map(|place| place.value)
    }

    pub fn put(&mut self, print: Print, value: V, now: i64) {
        if let Some(shard) = self.shard(print) {
            shard.sweep(now);
            shard.put(Place { print, value }, now);
        }
    }

    pub fn remove(&mut self, print: Print) {
        if let Some(shard) = self.shard(print) {
            let set = shard.set_of(print);
            let place = shard.sets[set].iter_mut().find(|place| place.as_ref().is_some_and(|p| p.print == print));
            if let Some(place) = place {
                *place = None;
                shard.held -= 1;
            }
        }
    }

    fn shard(&mut self, print: Print) -> Option<&mut Shard<V>> {
        let index = shard_of(&print);
        self.0.iter_mut().find(|(held, _)| *held == index).map(|(_, shard)| &mut **shard)
    }
}

impl<V: Held> Shard<V> {
    fn set_of(&self, print: Print) -> usize {
        usize::try_from(print.get() / SHARDS as u64).unwrap_or(0) & (self.sets.len() - 1)
    }

    fn put(&mut self, new: Place<V>, now: i64) {
        loop {
            let (index, is_full) = (self.set_of(new.print), self.sets.len() >= self.most_sets);
            let set = &mut self.sets[index];
            if let Some(known) = set.iter_mut().flatten().find(|place| place.print == new.print) {
                *known = new;
                return;
            }
            let is_free = |place: &Option<Place<V>>| place.is_none_or(|place| place.value.worth(now).empty_at <= now);
            if let Some(free) = set.iter_mut().find(|place| is_free(place)) {
                self.held += usize::from(free.is_none());
                *free = Some(new);
                return;
            }
            if is_full {
                let least = set.iter_mut().min_by_key(|place| place.as_ref().map(|place| place.value.worth(now)));
                if let Some(least) = least {
                    *least = Some(new);
                }
                return;
            }
            self.resize(self.sets.len() * 2, now);
        }
    }

    /// Moves what is not empty into `sets` new sets, or more where they turn out too few.
    fn resize(&mut self, sets: usize, now: i64) {
        self.held = 0;
        let old = std::mem::replace(&mut self.sets, vec![[None; WAYS]; sets]);
        for place in old.into_iter().flatten().flatten() {
            if place.value.worth(now).empty_at > now {
                self.put(place, now);
            }
        }
    }

    /// Once in a while: what is empty goes, and with it the room that nobody needs.
    fn sweep(&mut self, now: i64) {
        if now.saturating_sub(self.swept_at) < SWEEP {
            return;
        }
        self.swept_at = now;
        let live = self.sets.iter().flatten().flatten().filter(|place| place.value.worth(now).empty_at > now).count();
        let needed = (live * 2 / WAYS).max(1).next_power_of_two();
        if needed * 2 < self.sets.len() {
            self.resize(needed, now);
        }
    }
}

fn shard_of(print: &Print) -> usize {
    usize::try_from(print.get() % SHARDS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests;
