//! The store as the cache uses it: bounded in time, a miss when it is slow or gone, and never with what was purged while
//! it could not be told.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use shared::clock::Clock;
use shared::store::tagged::{Entry, LookUp};
use shared::store::{StoreError, TaggedCache};
use tokio::sync::Notify;

use super::key::Key;
use super::owed::Owed;
use super::tags;
use crate::admin::metrics::cache::Counters;

/// How long a store that did not answer in time is left alone: one second.
const PAUSE_MICROS: i64 = 1_000_000;

/// How often a store that is away is told again what it is owed.
const AGAIN: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Debug)]
pub struct Shelf {
    store: TaggedCache,
    clock: Clock,
    counters: Counters,
    /// Until when the store is left alone, in microseconds; 0: it is not.
    paused_until: AtomicI64,
    /// Purges that failed. Until they are made up for, nothing is read.
    owed: Owed,
    /// Rung when something is owed.
    debt: Notify,
}

impl Shelf {
    /// On a store.
    #[must_use]
    pub fn new(store: TaggedCache, clock: Clock, counters: Counters) -> Self {
        let (paused_until, owed, debt) = (AtomicI64::new(0), Owed::default(), Notify::new());
        Self { store, clock, counters, paused_until, owed, debt }
    }

    /// Whether writing takes a round trip.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        self.store.is_shared()
    }

    /// What stands under the keys; `None` when that cannot be known.
    pub async fn look_up(&self, keys: &[&str], tags: &[String]) -> Option<LookUp> {
        if !self.is_open() {
            return None;
        }
        if self.owed.any() && !self.make_up().await {
            return None;
        }
        self.note(self.store.look_up(keys, tags).await)
    }

    /// Keeps an entry, if the store takes it.
    pub async fn put(&self, entry: Entry<'_>) {
        if self.is_open() && self.note(self.store.put(entry).await).is_some() {
            self.counters.stored.inc();
            self.counters.stored_bytes.inc_by(entry.value.len() as u64);
        }
    }

    /// Keeps what is no answer itself.
    pub async fn put_aside(&self, key: &Key, value: &Bytes, like: Entry<'_>) {
        if self.is_open() {
            let tags = &[];
            self.note(self.store.put(Entry { key: key.as_str(), value, tags, ..like }).await);
        }
    }

    /// Forgets one key.
    pub async fn forget(&self, key: &Key) {
        if self.is_open() {
            self.note(self.store.forget(key.as_str()).await);
        }
    }

    /// Purges. When the store cannot be told, this instance reads nothing until it could.
    ///
    /// # Errors
    /// Why the store was not told yet.
    pub async fn purge(&self, tags: Vec<String>) -> Result<(), StoreError> {
        let tags = tags::to_purge(tags);
        if tags.is_empty() {
            return Ok(());
        }
        self.counters.purged.inc_by(tags.len() as u64);
        let purged = self.store.purge(&tags.iter().map(String::as_str).collect::<Vec<_>>()).await;
        if let Err(error) = &purged {
            tracing::warn!(%error, "a purge of the response cache has to wait");
            self.owed.add(tags);
            self.debt.notify_one();
        }
        self.note(purged.clone());
        purged
    }

    /// Pays what is owed as soon as the store takes it, for as long as it is polled: other instances read what has to go,
    /// even if nobody reads here.
    pub async fn pay(&self) {
        loop {
            self.debt.notified().await;
            while self.owed.any() && !self.make_up().await {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    async fn make_up(&self) -> bool {
        let payment = self.owed.payment();
        let tags: Vec<&str> = payment.tags.iter().map(String::as_str).collect();
        if self.note(self.store.purge(&tags).await).is_none() {
            return false;
        }
        self.owed.paid(&payment)
    }

    /// A store that hangs costs one wait, not one per request: after a timeout it is left alone for a while, and then a
    /// single request asks whether it is back.
    fn is_open(&self) -> bool {
        let until = self.paused_until.load(Ordering::Acquire);
        if until == 0 {
            return true;
        }
        let now = self.clock.now_micros();
        let next = now.saturating_add(PAUSE_MICROS);
        let claim = || self.paused_until.compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire);
        now >= until && claim().is_ok()
    }

    fn note<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        match answer {
            Ok(value) => {
                if self.paused_until.load(Ordering::Acquire) != 0 {
                    self.paused_until.store(0, Ordering::Release);
                }
                Some(value)
            }
            Err(error) => {
                tracing::debug!(%error, "the response cache goes on without its store");
                self.counters.store_failures.inc();
                if matches!(error, StoreError::Timeout(_)) {
                    let next = self.clock.now_micros().saturating_add(PAUSE_MICROS);
                    self.paused_until.store(next, Ordering::Release);
                }
                None
            }
        }
    }
}

/// How long what can be revalidated is kept after its time: one hour.
pub const GRACE: Duration = Duration::from_secs(3_600);
