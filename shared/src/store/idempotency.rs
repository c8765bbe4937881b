//! Idempotency keys of requests that are carried out elsewhere: one claim, one outcome, until its time is over.
//!
//! A claim is a lease. Whoever holds it carries the request out and settles it with an outcome; one that is never
//! settled (its holder was killed) has lapsed when the lease is over: nobody knows what came of it.

mod memory;
mod redis;

use std::time::Duration;

use bytes::Bytes;

use super::StoreError;
use super::link::Link;
use crate::clock::Clock;

/// Whose key it is, for what: a SHA-256.
pub type Digest = [u8; 32];

/// What a request asks of its key.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Caller, route and key.
    pub key: Digest,
    /// What tells this request from others under the same key.
    pub fingerprint: Digest,
    /// Who claims: random, of this one attempt.
    pub owner: u128,
    /// How long carrying it out may take.
    pub lease: Duration,
    /// How long the key is remembered.
    pub keep: Duration,
    /// Whether a claim that has lapsed may be made anew.
    pub take_over: bool,
}

/// What was found under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: the claim is made.
    Ours,
    /// The same request, and it is being carried out.
    Running,
    /// The same request; it may have been carried out.
    Lapsed,
    /// The same request, and its outcome.
    Done(Bytes),
    /// The same request; it was carried out, and its outcome had to make room for others.
    Forgotten,
    /// Another request.
    Other,
}

/// How a claim ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With this, to be told again.
    Done(Bytes),
    /// Nobody knows: as if its lease were over.
    Unknown,
    /// Nothing was done: the key is free.
    Free,
}

/// Keys under one of two roofs; clones share their state.
#[derive(Clone, Debug)]
pub enum Idempotency {
    /// In Redis, shared by every instance. It must not evict them: `maxmemory-policy noeviction` or `volatile-ttl`.
    Redis(redis::RedisKeys),
    /// In this process, at most 64 MiB.
    Memory(memory::MemoryKeys),
}

impl Idempotency {
    /// Keys of this process. When 64 MiB are full, the oldest outcomes make room and only that there was one is
    /// remembered; when that does not help, new claims are refused: a key is never forgotten before its time.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self::Memory(memory::MemoryKeys::new(clock, memory::MAX_BYTES))
    }

    pub(super) fn redis(link: Link, clock: Clock, deadline: Duration) -> Self {
        Self::Redis(redis::RedisKeys::new(link, clock, deadline))
    }

    /// Claims a key in one atomic step, or says why not.
    ///
    /// # Errors
    /// [`StoreError::Timeout`] (the claim may have been made) or [`StoreError::Unavailable`].
    pub async fn claim(&self, claim: &Claim) -> Result<Found, StoreError> {
        match self {
            Self::Redis(keys) => keys.claim(claim).await,
            Self::Memory(keys) => keys.claim(claim),
        }
    }

    /// Ends a claim, also one whose lease is over, and also one that never arrived; unless another has it by now.
    ///
    /// # Errors
    /// As [`Idempotency::claim`].
    pub async fn settle(&self, claim: &Claim, outcome: &Outcome) -> Result<(), StoreError> {
        match self {
            Self::Redis(keys) => keys.settle(claim, outcome).await,
            Self::Memory(keys) => keys.settle(claim, outcome),
        }
    }
}
