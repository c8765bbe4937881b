//! The revocations a process knows, made to be asked on every request.

use std::cmp;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;

use super::Revocation;
use crate::clock::{Clock, to_micros};
use crate::domain::{ApiKeyId, Permissions, Roles, SessionId, UserId};

/// Sessions, users, and keys of either kind, that may be listed at once. More are not taken in, and counted: forgetting one that still
/// matters to make room would let a stolen token back in just the same.
const MAX_ENTRIES: usize = 1 << 20;
/// A map is swept of what has expired when it has grown to this, and then whenever it has doubled.
const FIRST_SWEEP: usize = 1_024;

/// What a token is still worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All it says.
    Valid,
    /// Nothing (401).
    Revoked,
    /// No role and no permission outside these sets: intersect the token's own with them.
    Roles(Roles, Permissions),
}

/// The list. Share it by `Arc`; [`super::Revocations::follow`] fills it.
#[derive(Debug)]
pub struct RevocationList {
    clock: Clock,
    sessions: RwLock<Table<SessionId, i64>>,
    users: RwLock<Table<UserId, UserEntry>>,
    keys: RwLock<Table<ApiKeyId, i64>>,
    signing_keys: RwLock<Table<Box<str>, i64>>,
    /// Whether there ever was one: nearly always there was none, and every request asks.
    any_signing_key: AtomicBool,
    /// Entries in all tables, so that the usual case, an empty list, takes no lock.
    len: AtomicUsize,
    live: AtomicBool,
    refused: AtomicU64,
}

/// What is known of one user; each half holds the greatest `ver` seen, for it says what smaller ones say.
#[derive(Clone, Copy, Debug, Default)]
struct UserEntry {
    ended: Option<Ended>,
    demoted: Option<Demoted>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    ver: i64,
    expires_at: i64,
}

#[derive(Clone, Copy, Debug)]
struct Demoted {
    ver: i64,
    roles: Roles,
    permissions: Permissions,
    expires_at: i64,
}

impl RevocationList {
    /// An empty list.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            sessions: RwLock::new(Table::new()),
            users: RwLock::new(Table::new()),
            keys: RwLock::new(Table::new()),
            signing_keys: RwLock::new(Table::new()),
            any_signing_key: AtomicBool::new(false),
            len: AtomicUsize::new(0),
            live: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        }
    }

    /// What a token of `user` in `session` (an API key has none) with version `ver` is worth. Takes well under a
    /// microsecond and never waits for the network.
    #[must_use]
    pub fn check(&self, user: UserId, session: impl Into<Option<SessionId>>, ver: i64) -> Verdict {
        if self.len.load(Ordering::Acquire) == 0 {
            return Verdict::Valid;
        }
        let session_expiry = session.into().and_then(|session| self.sessions.read().entries.get(&session).copied());
        let entry = self.users.read().entries.get(&user).copied();
        if session_expiry.is_none() && entry.is_none() {
            return Verdict::Valid;
        }
        let now = self.clock.now_micros();
        let entry = entry.unwrap_or_default();
        let ended = entry.ended.is_some_and(|ended| ver < ended.ver && now < ended.expires_at);
        if ended || session_expiry.is_some_and(|expires_at| now < expires_at) {
            return Verdict::Revoked;
        }
        match entry.demoted {
            Some(demoted) if ver < demoted.ver && now < demoted.expires_at => {
                Verdict::Roles(demoted.roles, demoted.permissions)
            }
            Some(_) | None => Verdict::Valid,
        }
    }

    /// Whether this API key was revoked. Its user is another question: see [`Self::check`].
    #[must_use]
    pub fn has_key(&self, key: ApiKeyId) -> bool {
        if self.len.load(Ordering::Acquire) == 0 {
            return false;
        }
        let expires_at = self.keys.read().entries.get(&key).copied();
        expires_at.is_some_and(|expires_at| self.clock.now_micros() < expires_at)
    }

    /// Whether this session was revoked, whoever's it is: for what has a session and is no user of ours.
    #[must_use]
    pub fn has_session(&self, session: SessionId) -> bool {
        if self.len.load(Ordering::Acquire) == 0 {
            return false;
        }
        let expires_at = self.sessions.read().entries.get(&session).copied();
        expires_at.is_some_and(|expires_at| self.clock.now_micros() < expires_at)
    }

    /// Whether the key of our issuer with this name was revoked, and with it whatever it has signed.
    #[must_use]
    pub fn has_signing_key(&self, kid: &str) -> bool {
        if !self.any_signing_key.load(Ordering::Acquire) {
            return false;
        }
        let expires_at = self.signing_keys.read().entries.get(kid).copied();
        expires_at.is_some_and(|expires_at| self.clock.now_micros() < expires_at)
    }

    /// Takes one in. The order in which they come does not matter, nor how often.
    pub fn apply(&self, revocation: &Revocation) {
        let now = self.clock.now_micros();
        let expires_at = to_micros(revocation.expires_at());
        if expires_at <= now {
            return;
        }
        let later = |known: &mut i64| *known = expires_at.max(*known);
        let taken = match revocation {
            Revocation::Session { sid, .. } => self.sessions.write().update(*sid, now, later),
            Revocation::ApiKey { key, .. } => self.keys.write().update(*key, now, later),
            Revocation::SigningKey { kid, .. } => {
                let taken = self.signing_keys.write().update(kid.as_str().into(), now, later);
                self.any_signing_key.store(true, Ordering::Release);
                taken
            }
            &Revocation::User { user, ver, .. } => {
                self.users.write().update(user, now, |entry| entry.end(Ended { ver, expires_at }))
            }
            &Revocation::Roles { user, ver, roles, permissions, .. } => {
                let new = Demoted { ver, roles, permissions, expires_at };
                self.users.write().update(user, now, |entry| entry.demote(new))
            }
        };
        if !taken && self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(limit = MAX_ENTRIES, "the revocation list is full; revocations are being lost");
        }
        let (sessions, users) = (self.sessions.read().entries.len(), self.users.read().entries.len());
        let keys = self.keys.read().entries.len() + self.signing_keys.read().entries.len();
        self.len.store(sessions + users + keys, Ordering::Release);
    }

    /// Whether the list is being kept in step right now. While it is not, what it says may be out of date.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// Sessions, users and keys listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Revocations not taken in because the list was full: a metric worth an alert.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn set_live(&self, live: bool) {
        self.live.store(live, Ordering::Release);
    }
}

impl UserEntry {
    fn end(&mut self, new: Ended) {
        self.ended = Some(match self.ended {
            Some(known) => Ended { ver: known.ver.max(new.ver), expires_at: known.expires_at.max(new.expires_at) },
            None => new,
        });
    }

    fn demote(&mut self, new: Demoted) {
        self.demoted = Some(match self.demoted {
            Some(known) => {
                let expires_at = known.expires_at.max(new.expires_at);
                let (roles, permissions) = match new.ver.cmp(&known.ver) {
                    cmp::Ordering::Less => (known.roles, known.permissions),
                    cmp::Ordering::Equal => {
                        (known.roles.intersect(new.roles), known.permissions.intersect(new.permissions))
                    }
                    cmp::Ordering::Greater => (new.roles, new.permissions),
                };
                Demoted { ver: known.ver.max(new.ver), roles, permissions, expires_at }
            }
            None => new,
        });
    }
}

/// A map that forgets what has expired as it grows.
#[derive(Debug)]
struct Table<K, V> {
    entries: HashMap<K, V>,
    next_sweep: usize,
}

trait Expires {
    fn expires_at(&self) -> i64;
}

impl Expires for i64 {
    fn expires_at(&self) -> i64 {
        *self
    }
}

impl Expires for UserEntry {
    fn expires_at(&self) -> i64 {
        let ended = self.ended.map_or(0, |ended| ended.expires_at);
        self.demoted.map_or(ended, |demoted| demoted.expires_at.max(ended))
    }
}

impl<K: Hash + Eq, V: Expires + Default> Table<K, V> {
    fn new() -> Self {
        Self { entries: HashMap::new(), next_sweep: FIRST_SWEEP }
    }

    /// Changes the entry of `key`; false when it is new and there is no room.
    fn update(&mut self, key: K, now: i64, change: impl FnOnce(&mut V)) -> bool {
        if self.entries.len() >= self.next_sweep {
            self.entries.retain(|_, entry| entry.expires_at() > now);
            self.entries.shrink_to(2 * self.entries.len());
            self.next_sweep = (2 * self.entries.len()).clamp(FIRST_SWEEP, MAX_ENTRIES);
        }
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&key) {
            return false;
        }
        change(self.entries.entry(key).or_default());
        true
    }
}

#[cfg(test)]
mod tests;
