//! The tagged cache in this process, bounded in bytes and in marks.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{EVERYTHING, Entry, LookUp, Stamp};
use crate::clock::Clock;
use crate::store::generations::{Generations, Kept};

/// What an entry costs beside its own bytes, and each of its tags beside its text.
const OVERHEAD: usize = 128;
const TAG_OVERHEAD: usize = 16;
/// Marks that are remembered. One more, and everything is purged: that forgets too much, never too little.
const MAX_MARKS: usize = 65_536;

/// See [`super::TaggedCache::Memory`].
#[derive(Clone, Debug)]
pub struct MemoryTagged {
    clock: Clock,
    room: Arc<Mutex<Room>>,
}

#[derive(Debug)]
struct Room {
    entries: Generations<Box<str>, Tagged>,
    marks: HashMap<Box<str>, Stamp>,
    /// The mark at the tag that all entries have.
    everything: Stamp,
    now: Stamp,
    bound: u64,
}

#[derive(Debug)]
struct Tagged {
    value: Bytes,
    tags: Box<[Box<str>]>,
    begun: Stamp,
    weight: u64,
    expires_at: i64,
}

impl Kept for Tagged {
    fn weight(&self) -> u64 {
        self.weight
    }

    fn expires_at(&self) -> i64 {
        self.expires_at
    }
}

impl MemoryTagged {
    pub(super) fn new(clock: Clock, bound: u64) -> Self {
        let room = Room {
            entries: Generations::new(bound),
            marks: HashMap::new(),
            everything: Stamp::ZERO,
            now: Stamp::ZERO.next(),
            bound,
        };
        Self { clock, room: Arc::new(Mutex::new(room)) }
    }

    pub(super) fn look_up(&self, keys: &[&str], tags: &[String]) -> LookUp {
        let at = self.clock.now_micros();
        let mut room = self.room.lock();
        let purged = room.last_purge(tags.iter().map(String::as_str));
        let values = keys.iter().map(|key| room.read(key, at)).collect();
        LookUp { values, now: room.now, purged }
    }

    pub(super) fn put(&self, entry: Entry<'_>) {
        let at = self.clock.now_micros();
        let life = i64::try_from(entry.life().as_millis()).unwrap_or(i64::MAX).saturating_mul(1_000);
        let tags: Box<[Box<str>]> = entry.tags.iter().map(|tag| tag.as_str().into()).collect();
        let tagging: usize = tags.iter().map(|tag| tag.len() + TAG_OVERHEAD).sum();
        let weight = (entry.key.len() + entry.value.len() + tagging + OVERHEAD) as u64;
        let expires_at = at.saturating_add(life);
        let tagged = Tagged { value: entry.value.clone(), tags, begun: entry.begun, weight, expires_at };
        let mut room = self.room.lock();
        if room.entries.get(entry.key, at).is_none_or(|there| there.begun <= entry.begun) {
            room.entries.put(entry.key.into(), tagged, at);
        }
    }

    pub(super) fn forget(&self, key: &str) {
        self.room.lock().entries.remove(key);
    }

    pub(super) fn purge(&self, tags: &[&str]) {
        let mut room = self.room.lock();
        room.now = room.now.next();
        let now = room.now;
        for tag in tags {
            room.marks.insert((*tag).into(), now);
        }
        if tags.contains(&EVERYTHING) || room.marks.len() > MAX_MARKS {
            room.marks = HashMap::new();
            room.entries = Generations::new(room.bound);
            room.everything = now;
        }
    }
}

impl Room {
    fn last_purge<'t>(&self, tags: impl Iterator<Item = &'t str>) -> Stamp {
        tags.filter_map(|tag| self.marks.get(tag)).copied().fold(self.everything, Stamp::max)
    }

    fn read(&mut self, key: &str, at: i64) -> Option<Bytes> {
        let found = self.entries.touch(key, at)?;
        let (value, begun) = (found.value.clone(), found.begun);
        let last = found.tags.iter().filter_map(|tag| self.marks.get(tag)).copied().fold(self.everything, Stamp::max);
        if last > begun {
            self.entries.remove(key);
            return None;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn put(cache: &MemoryTagged, key: &str, size: usize, tags: &[String]) {
        let begun = cache.look_up(&[], &[]).now;
        cache.put(Entry { key, value: &Bytes::from(vec![0; size]), ttl: Duration::from_secs(60), tags, begun });
    }

    #[test]
    fn memory_stays_bounded_and_what_is_read_stays() {
        let cache = MemoryTagged::new(Clock::system(), 100_000);
        put(&cache, "hot", 500, &[]);
        for key in 0..5_000 {
            put(&cache, &key.to_string(), 500, &[]);
            assert!(cache.look_up(&["hot"], &[]).values[0].is_some());
        }
        assert!(cache.room.lock().entries.weight() <= 100_000);
        put(&cache, "huge", 60_000, &[]);
        assert_eq!(cache.look_up(&["huge"], &[]).values, [None]);
    }

    #[test]
    fn more_marks_than_can_be_kept_purge_everything() {
        let cache = MemoryTagged::new(Clock::system(), 100_000);
        put(&cache, "k", 1, &[]);
        for tag in 0..=MAX_MARKS {
            cache.purge(&[&tag.to_string()]);
        }
        assert!(cache.room.lock().marks.len() <= MAX_MARKS);
        assert_eq!(cache.look_up(&["k"], &[]).values, [None]);
    }
}
