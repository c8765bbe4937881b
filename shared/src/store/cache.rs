//! Bytes that may vanish at any time: what is cheap to have and cheap to lose.

mod memory;
mod redis;

use std::time::Duration;

use bytes::Bytes;

use super::StoreError;
use super::link::Link;
use crate::clock::Clock;

/// A cache under one of two roofs; clones share their state.
#[derive(Clone, Debug)]
pub enum Cache {
    /// In Redis, shared by every instance; its `maxmemory` bounds it.
    Redis(redis::RedisCache),
    /// In this process, at most 64 MiB.
    Memory(memory::MemoryCache),
}

impl Cache {
    /// A cache of this process that holds at most 64 MiB, keys and overhead counted; the longest unwritten goes first.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self::Memory(memory::MemoryCache::new(clock, memory::MAX_BYTES))
    }

    pub(super) fn redis(link: Link, clock: Clock, deadline: Duration) -> Self {
        Self::Redis(redis::RedisCache::new(link, clock, deadline))
    }

    /// The value, if it is still there.
    ///
    /// # Errors
    /// [`StoreError::Timeout`] or [`StoreError::Unavailable`]; never for a missing key.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Redis(cache) => cache.get(key).await,
            Self::Memory(cache) => Ok(cache.get(key)),
        }
    }

    /// Keeps `value` for `ttl` at most (milliseconds are the finest grain; under one it is gone at once).
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn set(&self, key: &str, value: Bytes, ttl: Duration) -> Result<(), StoreError> {
        match self {
            Self::Redis(cache) => cache.set(key, &value, ttl).await,
            Self::Memory(cache) => {
                cache.set(key, value, ttl);
                Ok(())
            }
        }
    }

    /// Forgets `key`.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn delete(&self, key: &str) -> Result<(), StoreError> {
        match self {
            Self::Redis(cache) => cache.delete(key).await,
            Self::Memory(cache) => {
                cache.delete(key);
                Ok(())
            }
        }
    }
}
