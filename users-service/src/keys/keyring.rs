//! A ring as this process knows it: read again and again, tended, and asked by whoever signs or verifies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::EncodingKey;
use parking_lot::Mutex;
use shared::clock::Clock;
use tokio::time::{Instant, MissedTickBehavior};

use super::jwk::KeySet;
use super::purpose::Purpose;
use super::ring::{Ring, Rules, State, Step};
use super::rows;
use super::settings::STALE_AFTER;
use super::signing::{KeyError, SigningKey};
use super::store::KeysError;
use crate::audit::{By, Event, Kind};
use crate::config::Config;
use crate::db::{Counter, Database, Fault, Write};

/// How soon after a read an unknown name may cause another.
const SEARCH_PAUSE: Duration = Duration::from_millis(100);

/// The longest that one look after the keys may take, and a wait for whoever changes them: a process that hangs with the
/// ring in its hands must not keep the others from signing.
const KEEP: Duration = Duration::from_secs(5);
const TURN: Duration = Duration::from_secs(3);

/// Steps in one go; there are six kinds.
const MAX_STEPS: usize = 16;

/// The signing keys. Clones share them.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    clock: Clock,
    purpose: Purpose,
    rules: Rules,
    reload: Duration,
    seen: ArcSwap<Seen>,
    read_at: Mutex<Instant>,
    /// One read at a time: an older one would undo a newer.
    reading: tokio::sync::Mutex<()>,
    rotations: AtomicU64,
}

/// The ring as last read, and what is made of it once.
#[derive(Debug, Default)]
struct Seen {
    ring: Ring,
    signer: Option<Arc<Signer>>,
}

/// What signs.
pub struct Signer {
    /// Its name.
    pub kid: String,
    /// How it signs.
    pub algorithm: jsonwebtoken::Algorithm,
    /// The key.
    pub key: EncodingKey,
}

/// A change of the ring under way; dropped, it changes nothing.
#[derive(Debug)]
pub struct Draft {
    /// What is changed.
    pub ring: Ring,
    /// When.
    pub now: i64,
    /// What else changes with it.
    pub write: Write,
    before: Ring,
    purpose: Purpose,
    clock: Clock,
}

/// How the keys are. For metrics and readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Since when the active key signs, in microseconds since the epoch; `None`: there is none.
    pub active_since: Option<i64>,
    /// How often another key began to sign while this process ran.
    pub rotations: u64,
}

impl Keyring {
    /// Reads the ring and does what is due, which at the first start of all is to make one.
    ///
    /// # Errors
    /// When the database or the crypto library fails.
    pub async fn open(
        config: &Config,
        database: &Database,
        clock: &Clock,
        purpose: Purpose,
    ) -> Result<Self, KeysError> {
        let keyring = Self::look(config, database, clock, purpose).await?;
        keyring.keep().await?;
        Ok(keyring)
    }

    /// Reads the ring and leaves it as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look(config: &Config, database: &Database, clock: &Clock, purpose: Purpose) -> Result<Self, Fault> {
        let keyring = Self(Arc::new(Inner {
            database: database.clone(),
            clock: clock.clone(),
            purpose,
            rules: Rules::of(config, purpose),
            reload: config.keys.reload.get(),
            seen: ArcSwap::default(),
            read_at: Mutex::new(Instant::now()),
            reading: tokio::sync::Mutex::default(),
            rotations: AtomicU64::new(0),
        }));
        keyring.read().await?;
        Ok(keyring)
    }

    /// Keeps it up to date until dropped.
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(self.0.reload);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match tokio::time::timeout(KEEP, self.keep()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the signing keys could not be looked after; it will be tried again");
                }
                Err(_) => tracing::warn!("the signing keys took too long to look after; it will be tried again"),
            }
        }
    }

    /// What signs now. `None`: there is no active key, or it was too long ago that anybody said so.
    #[must_use]
    pub fn signer(&self) -> Option<Arc<Signer>> {
        let is_stale = self.0.read_at.lock().elapsed() > STALE_AFTER;
        self.0.seen.load().signer.clone().filter(|_| !is_stale)
    }

    /// The published key with this name; looked for in the database if it is not known here yet.
    pub async fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        let known =
            || self.0.seen.load().ring.published(kid, self.0.clock.now_micros()).map(|held| Arc::clone(&held.key));
        if let Some(key) = known() {
            return Some(key);
        }
        let read_at = *self.0.read_at.lock();
        if read_at.elapsed() >= SEARCH_PAUSE
            && let Err(error) = self.read().await
        {
            tracing::warn!(%error, "a signing key could not be looked for");
        }
        known()
    }

    /// What the world may see.
    #[must_use]
    pub fn public(&self) -> KeySet {
        self.0.seen.load().ring.public(self.0.clock.now_micros())
    }

    /// How the keys are.
    #[must_use]
    pub fn health(&self) -> Health {
        let active_since = self.0.seen.load().ring.the(State::Active).and_then(|held| held.activated_at);
        Health { active_since, rotations: self.0.rotations.load(Ordering::Relaxed) }
    }

    /// How many keys are in a state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.0.seen.load().ring.keys().iter().filter(|held| held.state == state).count()
    }

    /// The ring as last read.
    #[must_use]
    pub fn ring(&self) -> Ring {
        self.0.seen.load().ring.clone()
    }

    /// What the configuration asks for.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.0.rules
    }

    /// Reads the ring and does what is due.
    ///
    /// # Errors
    /// When the database or the crypto library fails.
    pub async fn keep(&self) -> Result<(), KeysError> {
        self.read().await?;
        for _ in 0..MAX_STEPS {
            let due = self.0.seen.load().ring.due(&self.0.rules, self.0.clock.now_micros());
            let Some(step) = due else { return Ok(()) };
            // Before the lock: the others wait for no key to be made.
            let fresh = if step.takes_a_key() { Some(generate(&self.0.rules).await?) } else { None };
            self.step(step, fresh).await?;
            self.read().await?;
        }
        Ok(())
    }

    /// Begins to change the ring for all processes: nobody else does meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn draft(&self) -> Result<Draft, Fault> {
        let write = self.0.database.write().await?;
        write.patience(Some(TURN)).await?;
        write.next(Counter::Setup).await?;
        let ring = rows::load(write.transaction(), self.0.purpose).await?;
        let clock = self.0.clock.clone();
        let purpose = self.0.purpose;
        Ok(Draft { before: ring.clone(), ring, now: clock.now_micros(), write, purpose, clock })
    }

    /// Takes a step, unless another process has taken it meanwhile.
    async fn step(&self, step: Step, fresh: Option<SigningKey>) -> Result<(), Fault> {
        let mut draft = self.draft().await?;
        if draft.ring.due(&self.0.rules, draft.now) == Some(step) {
            draft.ring.take(step, fresh, &self.0.rules, draft.now);
            if step == Step::Activate {
                draft.note(Kind::SigningKeyRotated, "schedule", None);
            }
            tracing::info!(?step, "the signing keys change");
        }
        draft.commit().await
    }

    async fn read(&self) -> Result<(), Fault> {
        let asked = Instant::now();
        let _turn = self.0.reading.lock().await;
        // Somebody has read it since: that is as good, and a crowd reads it once.
        if *self.0.read_at.lock() > asked {
            return Ok(());
        }
        let at = Instant::now();
        let ring = rows::load(self.0.database.read(), self.0.purpose).await?;
        *self.0.read_at.lock() = at;
        let before = self.0.seen.load();
        if before.ring == ring {
            return Ok(());
        }
        let signer = Signer::of(&ring);
        let kid = |signer: &Option<Arc<Signer>>| signer.as_ref().map(|signer| signer.kid.clone());
        let (old, new) = (kid(&before.signer), kid(&signer));
        match (&old, &new) {
            (Some(old), Some(new)) if old != new => {
                self.0.rotations.fetch_add(1, Ordering::Relaxed);
                tracing::info!(kid = %new, before = %old, "another key signs {}", self.0.purpose.as_str());
            }
            (_, Some(_)) => {}
            (_, None) => tracing::error!("no key signs {}", self.0.purpose.as_str()),
        }
        self.0.seen.store(Arc::new(Seen { ring, signer }));
        Ok(())
    }
}

impl Draft {
    /// Notes for the audit what happens, why, and what signs from now on.
    pub fn note(&self, kind: Kind, cause: &str, revoked: Option<&str>) {
        let signs = self.ring.the(State::Active).map(|held| held.key.kid.clone());
        let event = Event::new(kind, By::system(), &self.clock).with("cause", cause).with("signs", signs);
        let event = match self.purpose {
            Purpose::Access => event,
            Purpose::Id => event.with("purpose", self.purpose.as_str()),
        };
        self.write.audit(match revoked {
            Some(kid) => event.with("revoked", kid),
            None => event,
        });
    }

    /// Makes the change last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn commit(self) -> Result<(), Fault> {
        rows::save(&self.write, self.purpose, &self.before, &self.ring).await?;
        self.write.commit().await
    }
}

impl Signer {
    fn of(ring: &Ring) -> Option<Arc<Self>> {
        let key = &ring.the(State::Active)?.key;
        let made = key.encoding();
        let made = made.inspect_err(|error| tracing::error!(key.kid, %error, "the active signing key cannot sign"));
        Some(Arc::new(Self { kid: key.kid.clone(), algorithm: key.algorithm.jwt(), key: made.ok()? }))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

/// A new key, made where nobody waits behind it: one for RS256 takes its time.
pub(super) async fn generate(rules: &Rules) -> Result<SigningKey, KeyError> {
    let algorithm = rules.algorithm;
    tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await.map_err(|_| KeyError)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_not_read_for_a_minute_signs_nothing_more() {
        let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
        let folder = tempfile::tempdir().unwrap();
        let keyring = crate::testing::keys(&folder, &clock).await.signing;
        let read = |ago: Duration| *keyring.0.read_at.lock() = Instant::now().checked_sub(ago).unwrap();
        read(STALE_AFTER - Duration::from_secs(10));
        assert!(keyring.signer().is_some());
        read(STALE_AFTER + Duration::from_millis(1));
        assert!(keyring.signer().is_none());
        assert_eq!(keyring.public().keys.len(), 2, "what it knows it still shows");
    }
}
