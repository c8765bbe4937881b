//! State that instances share: counters, cache, idempotency keys and revocations, each in Redis or in memory, held to
//! one conformance suite.

pub mod cache;
pub mod counters;
mod gcra;
mod generations;
pub mod idempotency;
mod link;
pub mod revocations;
pub mod tagged;

#[cfg(test)]
mod conformance;

use std::time::Duration;

pub use cache::Cache;
pub use counters::{CounterStats, Counters, Decisions, Ruling, Take, Terms};
pub use gcra::{Decision, Quota};
pub use idempotency::Idempotency;
pub use revocations::{Follower, MAX_LIFE, Revocation, RevocationList, Revocations, Verdict};
pub use tagged::TaggedCache;

use crate::clock::Clock;
use link::Link;

/// How long a question after health may take.
const HEALTH_DEADLINE: Duration = Duration::from_millis(50);

/// Why a store gave no answer. The texts are for logs; none of them may reach a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No answer within the call's deadline. Whether a write took place is not known.
    #[error("the store did not answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// There is no connection, it broke, or the server refused the command.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The address cannot be one of a Redis server.
    #[error("the Redis address is not usable: {0}")]
    Address(String),
}

/// Whether a text may be the address of a Redis server: `redis://host:port`, `rediss://…`, `unix:…`. Nobody is asked.
///
/// # Errors
/// [`StoreError::Address`]
pub fn check_address(url: &str) -> Result<(), StoreError> {
    redis::Client::open(url).map(drop).map_err(|error| StoreError::Address(error.to_string()))
}

/// How to talk to Redis. The defaults are the product's; tests change the namespace so that they can share a server.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// What every key starts with.
    pub namespace: String,
    /// How long a call to the counters may go unanswered before it is given up. Default 250 ms: a busy machine is no dead
    /// Redis. Whoever cannot wait that long says so in [`Terms`].
    pub counters_deadline: Duration,
    /// The longest that a cache look-up may hold a request up. Default 50 ms.
    pub cache_deadline: Duration,
    /// The longest that claiming or settling an idempotency key may take. Default 500 ms.
    pub idempotency_deadline: Duration,
    /// The longest that publishing a revocation may take. Default 500 ms.
    pub publish_deadline: Duration,
    /// How long [`Stores::redis`] waits for the first connection before it goes on without one. Default 1 s.
    pub first_connection: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            namespace: "tollgate".to_owned(),
            counters_deadline: Duration::from_millis(250),
            cache_deadline: Duration::from_millis(50),
            idempotency_deadline: Duration::from_millis(500),
            publish_deadline: Duration::from_millis(500),
            first_connection: Duration::from_secs(1),
        }
    }
}

/// The stores of one process, over one back-end. Clones share their state.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Rate limits.
    pub counters: Counters,
    /// Bytes that may vanish.
    pub cache: Cache,
    /// What was asked under a key, and what came of it.
    pub idempotency: Idempotency,
    /// Sessions, users and roles that ended before their tokens did.
    pub revocations: Revocations,
    link: Option<Link>,
    clock: Clock,
    cache_deadline: Duration,
}

impl Stores {
    /// Everything in this process: for one instance, and for tests.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self {
            counters: Counters::memory(clock.clone()),
            cache: Cache::memory(clock.clone()),
            idempotency: Idempotency::memory(clock.clone()),
            revocations: Revocations::memory(clock.clone()),
            link: None,
            clock,
            cache_deadline: RedisOptions::default().cache_deadline,
        }
    }

    /// Everything in the Redis (6.2 or later) at `url` (`redis://` or `rediss://`), with the default options.
    ///
    /// Call it on the runtime that lives as long as the process: the connection's driver and its supervisor are tasks
    /// of the runtime that is current here, while the stores may then be used from any other. A Redis that is down is
    /// no error: calls answer [`StoreError::Unavailable`] until the supervisor has reached it.
    ///
    /// # Errors
    /// [`StoreError::Address`] when `url` cannot be read.
    pub async fn redis(url: &str, clock: Clock) -> Result<Self, StoreError> {
        Self::redis_with(url, clock, RedisOptions::default()).await
    }

    /// The same with chosen options.
    ///
    /// # Errors
    /// [`StoreError::Address`] when `url` cannot be read.
    pub async fn redis_with(url: &str, clock: Clock, options: RedisOptions) -> Result<Self, StoreError> {
        let link = Link::open(url, &options.namespace)?;
        link.wait_until_up(options.first_connection).await;
        Ok(Self {
            counters: Counters::redis(link.clone(), clock.clone(), options.counters_deadline),
            cache: Cache::redis(link.clone(), clock.clone(), options.cache_deadline),
            idempotency: Idempotency::redis(link.clone(), clock.clone(), options.idempotency_deadline),
            revocations: Revocations::redis(link.clone(), options.publish_deadline),
            link: Some(link),
            clock,
            cache_deadline: options.cache_deadline,
        })
    }

    /// A cache with tags of its own, which shares nothing with the other rooms. In memory it holds at most `max_bytes`,
    /// and every call makes a new one.
    #[must_use]
    pub fn tagged(&self, room: &str, max_bytes: u64) -> TaggedCache {
        match &self.link {
            Some(link) => TaggedCache::redis(link.clone(), self.clock.clone(), self.cache_deadline, room),
            None => TaggedCache::memory(self.clock.clone(), max_bytes),
        }
    }

    /// Whether the back-end answers right now, within 50 ms. Memory always does.
    ///
    /// # Errors
    /// What keeps it from answering.
    pub async fn health(&self) -> Result<(), StoreError> {
        match &self.link {
            None => Ok(()),
            Some(link) => link.ping(HEALTH_DEADLINE).await,
        }
    }

    /// What the state is kept in, for logs and readiness: `memory` or `redis`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.link.is_some() { "redis" } else { "memory" }
    }
}
