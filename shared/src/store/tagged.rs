//! A cache whose entries carry tags: one purge makes all entries of a tag vanish, also those that are still being made.
//!
//! Nothing is looked for when something is purged. A purge leaves a mark, the next number of a sequence, at its tag; an
//! entry carries the number that was current when somebody *began* to make it, and is there only as long as none of its
//! tags has a later mark. So a purge costs the same for one entry and for a million, and an answer that was fetched
//! before a purge and is stored after it is stillborn. Rejected: sets of keys by tag, which miss exactly that one.

mod memory;
mod redis;

use std::time::Duration;

use bytes::Bytes;

use super::StoreError;
use super::link::Link;
use crate::clock::Clock;

/// No entry lives longer, so no mark needs to: 30 days.
pub const LONGEST_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// The tag that every entry has.
pub const EVERYTHING: &str = "";

/// A moment in the sequence of purges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(u64);

impl Stamp {
    /// Before every purge.
    pub const ZERO: Self = Self(0);

    /// The moment after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookUp {
    /// For each key, the value if it is there.
    pub values: Vec<Option<Bytes>>,
    /// Now: what is made from here on carries this.
    pub now: Stamp,
    /// When the last purge concerned one of the tags asked about: what was begun before is out of date.
    pub purged: Stamp,
}

/// What is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Under what.
    pub key: &'a str,
    /// What.
    pub value: &'a Bytes,
    /// For how long at most, in milliseconds as the finest grain, never longer than [`LONGEST_LIFE`].
    pub ttl: Duration,
    /// What it goes with. No tag may hold a line break.
    pub tags: &'a [String],
    /// When it was begun.
    pub begun: Stamp,
}

impl Entry<'_> {
    fn life(&self) -> Duration {
        self.ttl.min(LONGEST_LIFE)
    }
}

/// A room of the cache under one of two roofs; clones share their state.
#[derive(Clone, Debug)]
pub enum TaggedCache {
    /// In Redis, shared by every instance; its `maxmemory` bounds it.
    Redis(redis::RedisTagged),
    /// In this process.
    Memory(memory::MemoryTagged),
}

impl TaggedCache {
    /// A room of this process that holds at most `max_bytes`, keys, tags and overhead counted; one entry may weigh half
    /// of it. What has not been read or written for the longest time goes first.
    #[must_use]
    pub fn memory(clock: Clock, max_bytes: u64) -> Self {
        Self::Memory(memory::MemoryTagged::new(clock, max_bytes))
    }

    pub(super) fn redis(link: Link, clock: Clock, deadline: Duration, room: &str) -> Self {
        Self::Redis(redis::RedisTagged::new(link, clock, deadline, room))
    }

    /// Whether every instance sees the same entries.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// The values of `keys`, in one round trip. `tags` are those that are known before anything is found.
    ///
    /// # Errors
    /// [`StoreError::Timeout`] or [`StoreError::Unavailable`]; never for a missing key.
    pub async fn look_up(&self, keys: &[&str], tags: &[String]) -> Result<LookUp, StoreError> {
        match self {
            Self::Redis(cache) => cache.look_up(keys, tags).await,
            Self::Memory(cache) => Ok(cache.look_up(keys, tags)),
        }
    }

    /// Keeps an entry, unless a later one stands there.
    ///
    /// # Errors
    /// As [`TaggedCache::look_up`].
    pub async fn put(&self, entry: Entry<'_>) -> Result<(), StoreError> {
        match self {
            Self::Redis(cache) => cache.put(entry).await,
            Self::Memory(cache) => {
                cache.put(entry);
                Ok(())
            }
        }
    }

    /// Forgets one key.
    ///
    /// # Errors
    /// As [`TaggedCache::look_up`].
    pub async fn forget(&self, key: &str) -> Result<(), StoreError> {
        match self {
            Self::Redis(cache) => cache.forget(key).await,
            Self::Memory(cache) => {
                cache.forget(key);
                Ok(())
            }
        }
    }

    /// Makes every entry of each of `tags` vanish, and whatever was begun before now.
    ///
    /// # Errors
    /// As [`TaggedCache::look_up`]. Whether it took place is then not known; purging again does no harm.
    pub async fn purge(&self, tags: &[&str]) -> Result<(), StoreError> {
        match self {
            Self::Redis(cache) => cache.purge(tags).await,
            Self::Memory(cache) => {
                cache.purge(tags);
                Ok(())
            }
        }
    }
}
