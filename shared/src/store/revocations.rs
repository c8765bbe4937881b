//! What ended before its tokens did: published once, known to every process within a second, checked in memory.

mod list;
mod memory;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::watch;

pub use list::{RevocationList, Verdict};

use super::StoreError;
use super::link::Link;
use crate::clock::{Clock, instant};
use crate::domain::{ApiKeyId, Permissions, Roles, SessionId, UserId};

/// How far ahead `expires_at` may lie: Redis keeps a revocation for a day. Tokens live minutes.
pub const MAX_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// One thing that ended. It matters until `expires_at`, when the last token it concerns has expired (leeway included).
///
/// A `ver` is the user's version that the change produced: tokens that carry a smaller one are concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Revocation {
    /// The session's tokens are void.
    Session {
        /// The session.
        sid: SessionId,
        /// Until when it matters.
        #[serde(with = "instant")]
        expires_at: OffsetDateTime,
    },
    /// The user's tokens with a smaller `ver` are void.
    User {
        /// The user.
        user: UserId,
        /// The first version that is valid again.
        ver: i64,
        /// Until when it matters.
        #[serde(with = "instant")]
        expires_at: OffsetDateTime,
    },
    /// The user's tokens with a smaller `ver` keep only those of their roles that are in `roles`, and of what custom roles
    /// add only what is in `permissions`.
    Roles {
        /// The user.
        user: UserId,
        /// The first version whose tokens state the roles themselves.
        ver: i64,
        /// All the roles the user has now.
        roles: Roles,
        /// All that custom roles add now. A release that knew none left it out, and took it all away.
        #[serde(default, skip_serializing_if = "Permissions::is_empty")]
        permissions: Permissions,
        /// Until when it matters.
        #[serde(with = "instant")]
        expires_at: OffsetDateTime,
    },
    /// The API key is void.
    ApiKey {
        /// The key.
        key: ApiKeyId,
        /// Until when it matters: as long as a gateway may remember what it was told of the key.
        #[serde(with = "instant")]
        expires_at: OffsetDateTime,
    },
    /// Whatever this key has signed is void, whoever it speaks of and however long it says that it holds.
    SigningKey {
        /// The key's name in our own issuer's set.
        kid: String,
        /// Until when it matters: whoever verifies has fetched a set without the key by then.
        #[serde(with = "instant")]
        expires_at: OffsetDateTime,
    },
}

impl Revocation {
    /// Until when it matters.
    #[must_use]
    pub const fn expires_at(&self) -> OffsetDateTime {
        match self {
            Self::Session { expires_at, .. }
            | Self::User { expires_at, .. }
            | Self::Roles { expires_at, .. }
            | Self::ApiKey { expires_at, .. }
            | Self::SigningKey { expires_at, .. } => *expires_at,
        }
    }
}

/// The way from who revokes to who checks, under one of two roofs; clones share it.
#[derive(Clone, Debug)]
pub enum Revocations {
    /// Through a Redis stream.
    Redis(redis::RedisRevocations),
    /// Within this process.
    Memory(memory::MemoryRevocations),
}

impl Revocations {
    /// A way within this process.
    #[must_use]
    pub fn memory(clock: Clock) -> Self {
        Self::Memory(memory::MemoryRevocations::new(clock))
    }

    pub(super) fn redis(link: Link, deadline: Duration) -> Self {
        Self::Redis(redis::RedisRevocations::new(link, deadline))
    }

    /// Tells every follower, those that come later included. Publishing twice does no harm.
    ///
    /// # Errors
    /// [`StoreError`] when it is not known to have arrived: keep it and publish it again when [`Revocations::epoch`]
    /// moves.
    pub async fn publish(&self, revocation: &Revocation) -> Result<(), StoreError> {
        match self {
            Self::Redis(way) => way.publish(revocation).await,
            Self::Memory(way) => {
                way.publish(revocation);
                Ok(())
            }
        }
    }

    /// Keeps `list` in step with what is published until the guard is dropped, beginning with everything that still
    /// matters. With Redis this is a task on the current runtime, with a connection of its own.
    #[must_use = "the list is followed only as long as the guard lives"]
    pub fn follow(&self, list: Arc<RevocationList>) -> Follower {
        match self {
            Self::Redis(way) => Follower(Following::Task(way.follow(list))),
            Self::Memory(way) => {
                way.follow(&list);
                Follower(Following::Registered(list))
            }
        }
    }

    /// Moves whenever what was published may be missing from the store: a new connection, another server process, lost
    /// data. The authority (users-service) then publishes again whatever still matters. In memory it never moves.
    #[must_use]
    pub fn epoch(&self) -> watch::Receiver<u64> {
        match self {
            Self::Redis(way) => way.epoch(),
            Self::Memory(way) => way.epoch(),
        }
    }
}

/// Keeps a list followed; dropping it ends that.
#[derive(Debug)]
pub struct Follower(Following);

#[derive(Debug)]
enum Following {
    Task(tokio::task::JoinHandle<()>),
    Registered(Arc<RevocationList>),
}

impl Drop for Follower {
    fn drop(&mut self) {
        match &self.0 {
            Following::Task(task) => task.abort(),
            Following::Registered(list) => list.set_live(false),
        }
    }
}
