//! Users as they were read a moment ago, for those who only look at them: never for what somebody may do, nor for what a
//! change is held against.
//!
//! Whoever changes a user purges them after the commit and before the answer, so that whoever has been told of a change
//! sees it, through whichever instance. A value that was read before the purge and is kept after it is stillborn
//! ([`TaggedCache`]). What could not be purged is owed ([`Owed`]): until it is paid, this instance asks the database for that
//! user. Another one may show what it was for as long as `cache.ttl` says, as after the death of this one between commit
//! and purge.

mod owed;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use shared::clock::Clock;
use shared::domain::UserId;
use shared::store::tagged::{EVERYTHING, Entry};
use shared::store::{StoreError, Stores, TaggedCache};
use tokio::time::{Instant, sleep, sleep_until};

pub use self::owed::Debt;
use self::owed::Owed;
use super::model::User;
use crate::config;
use crate::db::Kind;

/// How long a store that did not answer in time is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// So long another instance may at worst show what a user was before a change that nobody told the store of.
pub const LONGEST_TTL: Duration = Duration::from_secs(3_600);

/// How often a store that is away is told again what it is owed.
const AGAIN: Duration = Duration::from_millis(250);

/// A commit that nobody waits for any more has come to its end by then: the server ends a transaction that stands still.
const UNDER_WAY: Duration = Duration::from_secs(5);

/// An entry holds what one release makes of a user; another one must not read it. Purges are for all.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// What came of looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// It was there.
    Hit,
    /// It was not.
    Miss,
    /// Nobody looked: it is being changed, or the store is away.
    Bypassed,
}

impl Looked {
    /// As the metric has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypassed => "bypassed",
        }
    }
}

/// The cache, or none. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct UserCache(Option<Arc<Shelf>>);

#[derive(Debug)]
struct Shelf {
    store: TaggedCache,
    ttl: Duration,
    clock: Clock,
    owed: Owed,
    /// Until when the store is left alone, in microseconds; 0: it is not.
    paused_until: AtomicI64,
}

impl UserCache {
    /// As the settings say. In this process's memory only where no other process can change the users: on SQLite, which is
    /// one instance's own. On PostgreSQL there may be others, and without Redis nobody would hear of them.
    #[must_use]
    pub fn new(config: &config::Cache, stores: &Stores, database: Kind, clock: &Clock) -> Self {
        let ttl = config.ttl.get();
        if ttl.is_zero() || config.max_bytes == 0 {
            return Self(None);
        }
        let store = stores.tagged("users", config.max_bytes);
        if database == Kind::Postgres && !store.is_shared() {
            return Self(None);
        }
        let (owed, paused_until) = (Owed::default(), AtomicI64::new(0));
        Self(Some(Arc::new(Shelf { store, ttl, clock: clock.clone(), owed, paused_until })))
    }

    /// The user as they are kept, or else as `read` reads them now, and keeps them; and whether they were there. Nobody
    /// knows a user whom `read` does not find: they may be registered in a moment.
    ///
    /// # Errors
    /// What `read` answers.
    pub async fn get<E>(
        &self,
        id: UserId,
        read: impl AsyncFnOnce() -> Result<Option<User>, E>,
    ) -> Result<(Option<User>, Looked), E> {
        let Some(shelf) = &self.0 else { return Ok((read().await?, Looked::Bypassed)) };
        if shelf.owed.has(id) || !shelf.is_open() {
            return Ok((read().await?, Looked::Bypassed));
        }
        let key = format!("{RELEASE}:{id}");
        let found = shelf.note(shelf.store.look_up(&[&key], &[]).await);
        let Some(found) = found else { return Ok((read().await?, Looked::Bypassed)) };
        let kept = found.values.into_iter().next().flatten();
        if let Some(user) = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return Ok((Some(user), Looked::Hit));
        }
        let user = read().await?;
        if let Some(value) = user.as_ref().and_then(|user| serde_json::to_vec(user).ok()) {
            let (value, tags) = (Bytes::from(value), [tag(id)]);
            let entry = Entry { key: &key, value: &value, ttl: shelf.ttl, tags: &tags, begun: found.now };
            shelf.note(shelf.store.put(entry).await);
        }
        Ok((user, Looked::Miss))
    }

    /// As another instance sees it: over the same store, with debts of its own.
    #[cfg(test)]
    fn beside(&self) -> Self {
        let shelf = self.0.as_ref().map(|shelf| {
            let (store, clock) = (shelf.store.clone(), shelf.clock.clone());
            let (owed, paused_until) = (Owed::default(), AtomicI64::new(0));
            Arc::new(Shelf { store, ttl: shelf.ttl, clock, owed, paused_until })
        });
        Self(shelf)
    }

    /// These users are about to change: from now on they are read from the database here, until [`UserCache::settle`].
    #[must_use]
    pub fn owe(&self, users: Vec<UserId>) -> Option<Debt> {
        let shelf = self.0.as_ref().filter(|_| !users.is_empty())?;
        Some(shelf.owed.owe(users))
    }

    /// Purges those whose change has come out, however it did. To be called before anybody is told.
    pub async fn settle(&self, debt: Option<Debt>) {
        let (Some(shelf), Some(debt)) = (&self.0, debt) else { return };
        if shelf.is_open() && shelf.purge(debt.users()).await {
            debt.paid();
        }
    }

    /// Pays what is owed as soon as the store takes it, for as long as it is polled: other instances read what has to go,
    /// even if nobody reads here.
    ///
    /// Each is paid twice. Who was cut off may have sent a COMMIT that the database has not yet carried out: whoever reads after
    /// the first time would keep what was before, and everywhere. Until the second, users are read from the database here.
    pub async fn run(self) {
        self.pay(UNDER_WAY).await;
    }

    async fn pay(self, under_way: Duration) {
        let Some(shelf) = self.0 else { return };
        let mut again: VecDeque<(Instant, Debt)> = VecDeque::new();
        loop {
            let first = again.front().map(|(at, _)| *at);
            tokio::select! {
                unpaid = shelf.owed.unpaid() => {
                    shelf.pay(&unpaid).await;
                    again.push_back((Instant::now() + under_way, unpaid));
                }
                () = sleep_until(first.unwrap_or_else(Instant::now)), if first.is_some() => {
                    if let Some((_, debt)) = again.pop_front() {
                        shelf.pay(&debt).await;
                        debt.paid();
                    }
                }
            }
        }
    }
}

impl Shelf {
    /// Tells the store, as soon as it listens.
    async fn pay(&self, debt: &Debt) {
        while !self.purge(debt.users()).await {
            sleep(AGAIN).await;
        }
    }

    /// Whether the store has been told. Nobody in particular is everybody.
    async fn purge(&self, users: &[UserId]) -> bool {
        let tags: Vec<String> =
            if users.is_empty() { vec![EVERYTHING.to_owned()] } else { users.iter().copied().map(tag).collect() };
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        self.note(self.store.purge(&tags).await).is_some()
    }

    /// A store that hangs costs one wait, not one per request: after a timeout it is left alone for a while.
    fn is_open(&self) -> bool {
        self.paused_until.load(Ordering::Acquire) <= self.clock.now_micros()
    }

    fn note<T>(&self, answer: Result<T, StoreError>) -> Option<T> {
        match answer {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::debug!(%error, "users are read without their cache");
                if matches!(error, StoreError::Timeout(_)) {
                    let pause = i64::try_from(PAUSE.as_micros()).unwrap_or(i64::MAX);
                    self.paused_until.store(self.clock.now_micros().saturating_add(pause), Ordering::Release);
                }
                None
            }
        }
    }
}

fn tag(user: UserId) -> String {
    format!("user:{user}")
}

#[cfg(test)]
mod tests;
