//! The keys' life: one task fetches, requests read. Fetched at start with retry, then at intervals, and once more when
//! a token names a key that is not there, with a cool-down. When the issuer is down, the old keys serve on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::{Notify, watch};

use super::fetch::{self, FetchError};
use super::keys::KeySet;
use crate::config::Authentication;

/// The first wait after a failure while there are no keys at all; it doubles up to the cool-down.
const FIRST_RETRY: Duration = Duration::from_millis(100);

/// While no more than these were in vain, requests wait for the first keys: about ten seconds. After that nobody knows
/// whether they will ever come, and places to wait in are few.
const FIRST_ATTEMPTS: u64 = 8;

/// A JWK set is a few kilobytes, and so is an issuer's metadata; more is not read.
const MAX_DOCUMENT: usize = 262_144;

/// Appended to an issuer (OpenID Connect Discovery 1.0, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Where an issuer's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this address.
    Url(String),
    /// Where this issuer's metadata says.
    Discovered(String),
}

/// An issuer's keys as last fetched.
#[derive(Debug)]
pub struct Jwks {
    place: Place,
    pinned: Vec<Algorithm>,
    refresh: Duration,
    cool_down: Duration,
    refetch_timeout: Duration,
    current: ArcSwapOption<KeySet>,
    wanted: Arc<Notify>,
    attempts: watch::Sender<u64>,
    fetching: AtomicBool,
    last_attempt: Mutex<Option<Instant>>,
    last_success: Mutex<Option<Instant>>,
    failures: AtomicU64,
    tended: AtomicBool,
}

/// The part of an issuer's metadata that we need.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// How the fetching goes. For metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Keys there are.
    pub keys: usize,
    /// How long ago they were fetched; `None`: never.
    pub age: Option<Duration>,
    /// How often they were asked for.
    pub attempts: u64,
    /// How often in vain.
    pub failures: u64,
}

impl Jwks {
    /// Without keys yet. `pinned` are the algorithms that the issuer may use.
    #[must_use]
    pub fn new(config: &Authentication, place: Place, pinned: Vec<Algorithm>) -> Arc<Self> {
        Arc::new(Self {
            place,
            pinned,
            refresh: config.refresh.get(),
            cool_down: config.cool_down.get(),
            refetch_timeout: config.refetch_timeout.get(),
            current: ArcSwapOption::empty(),
            wanted: Arc::default(),
            attempts: watch::Sender::new(0),
            fetching: AtomicBool::new(false),
            last_attempt: Mutex::new(None),
            last_success: Mutex::new(None),
            failures: AtomicU64::new(0),
            tended: AtomicBool::new(false),
        })
    }

    /// Whether this does all that `other` would: then its keys need not be fetched again.
    #[must_use]
    pub fn does_for(&self, other: &Self) -> bool {
        let times = |keys: &Self| (keys.refresh, keys.cool_down, keys.refetch_timeout);
        self.place == other.place && self.pinned == other.pinned && times(self) == times(other)
    }

    /// Whether it fetches from where `other` does, whatever the times and algorithms.
    #[must_use]
    pub fn is_at(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// Goes on with the keys of another until it has its own: those that it would have taken itself.
    pub fn start_with(&self, other: &Self) {
        if self.current().is_none()
            && let Some(keys) = other.current().map(|keys| keys.only(&self.pinned)).filter(|keys| !keys.is_empty())
        {
            self.replace(keys);
            *self.last_success.lock() = *other.last_success.lock();
        }
    }

    /// The keys, if there ever were any.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.current.load_full()
    }

    /// How the fetching goes.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            keys: self.current().map_or(0, |keys| keys.len()),
            age: self.last_success.lock().map(|at| at.elapsed()),
            attempts: *self.attempts.borrow(),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// Puts a set in place, as a fetch does.
    pub fn replace(&self, keys: KeySet) {
        let keys = match self.current() {
            Some(before) => keys.after(&before),
            None => keys,
        };
        self.current.store(Some(Arc::new(keys)));
    }

    /// Whether a fetch would be waited for: one is under way, or the last is long enough ago for another.
    #[must_use]
    pub fn would_wait(&self) -> bool {
        self.fetching.load(Ordering::Acquire) || !self.is_cooling_down()
    }

    fn is_cooling_down(&self) -> bool {
        self.last_attempt.lock().is_some_and(|at| at.elapsed() < self.cool_down)
    }

    /// Asks for a fetch and waits for its end. `false`: the last one is too recent, or this one took too long.
    pub async fn refetch(&self) -> bool {
        let mut attempts = self.attempts.subscribe();
        // While one is under way its end is waited for: the key may be what it brings.
        if !self.fetching.load(Ordering::Acquire) {
            if self.is_cooling_down() {
                return false;
            }
            self.wanted.notify_one();
        }
        tokio::time::timeout(self.refetch_timeout, attempts.changed()).await.is_ok()
    }

    /// Whether the first keys may yet come in a moment: they have been asked for, or are about to be, and not often in vain.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.current().is_none() && self.failures.load(Ordering::Relaxed) < FIRST_ATTEMPTS
    }

    /// Waits for the first keys, as long as for a fetch: the task that fetches is at it until there are some.
    pub async fn arrival(&self) {
        let mut attempts = self.attempts.subscribe();
        let arrived = async { while self.current().is_none() && attempts.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(self.refetch_timeout, arrived).await;
    }

    /// Starts the task that fetches, unless there is one; it ends when nobody holds the keys any more.
    pub fn tend(self: &Arc<Self>, client: &reqwest::Client) {
        if !self.tended.swap(true, Ordering::AcqRel) {
            tokio::spawn(run(Arc::downgrade(self), client.clone()));
        }
    }

    async fn attempt(&self, client: &reqwest::Client, retry: &mut Duration) -> Duration {
        self.fetching.store(true, Ordering::Release);
        *self.last_attempt.lock() = Some(Instant::now());
        let pause = match self.fetch(client).await {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "signing keys fetched");
                self.replace(keys);
                *self.last_success.lock() = Some(Instant::now());
                *retry = FIRST_RETRY;
                self.refresh
            }
            Err(error) => {
                tracing::warn!(%error, place = ?self.place, "signing keys could not be fetched");
                self.failures.fetch_add(1, Ordering::Relaxed);
                let pause = (*retry).min(self.cool_down);
                *retry = retry.saturating_mul(2);
                pause
            }
        };
        self.fetching.store(false, Ordering::Release);
        self.attempts.send_modify(|attempts| *attempts += 1);
        pause
    }

    async fn fetch(&self, client: &reqwest::Client) -> Result<KeySet, FetchError> {
        let timeout = self.cool_down.max(Duration::from_secs(2));
        let document = match &self.place {
            Place::Url(url) => fetch::get(client, url, timeout, MAX_DOCUMENT).await?,
            Place::Discovered(issuer) => {
                let url = format!("{}{DISCOVERY}", issuer.trim_end_matches('/'));
                let metadata = fetch::get(client, &url, timeout, MAX_DOCUMENT).await?;
                let url = keys_of(issuer, serde_json::from_slice(&metadata)?)?;
                fetch::get(client, &url, timeout, MAX_DOCUMENT).await?
            }
        };
        let keys = KeySet::parse(&document, &self.pinned)?;
        // An empty set would turn every token away; the old keys are the better guess.
        if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
    }
}

impl Drop for Jwks {
    fn drop(&mut self) {
        // The task that waits sees that it is over.
        self.wanted.notify_one();
    }
}

/// Metadata of another issuer, or keys that come over a weaker channel than the metadata did, are somebody's trick.
fn keys_of(issuer: &str, metadata: Metadata) -> Result<String, FetchError> {
    if metadata.issuer != issuer {
        return Err(FetchError::WrongIssuer(metadata.issuer));
    }
    let scheme = |url: &str| reqwest::Url::parse(url).ok().map(|url| url.scheme().to_owned());
    let fine = match (scheme(issuer).as_deref(), scheme(&metadata.jwks_uri).as_deref()) {
        (_, Some("https")) => true,
        (Some("http"), Some("http")) => true,
        (_, Some(_) | None) => false,
    };
    if fine { Ok(metadata.jwks_uri) } else { Err(FetchError::WrongAddress(metadata.jwks_uri)) }
}

async fn run(keys: Weak<Jwks>, client: reqwest::Client) {
    let mut retry = FIRST_RETRY;
    loop {
        let Some(held) = keys.upgrade() else { return };
        let (pause, wanted) = (held.attempt(&client, &mut retry).await, Arc::clone(&held.wanted));
        drop(held);
        // A refused refetch returns at once, so a wake-up here means that the cool-down is over.
        let _ = tokio::time::timeout(pause, wanted.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_counts_only_for_its_own_issuer_and_over_a_channel_as_good() {
        let of = |issuer: &str, said: &str, keys: &str| {
            keys_of(issuer, Metadata { issuer: said.to_owned(), jwks_uri: keys.to_owned() }).is_ok()
        };
        let (plain, safe) = ("http://id.internal", "https://id.example");
        assert!(of(safe, safe, "https://keys.example/jwks"));
        assert!(of(plain, plain, "http://id.internal/jwks") && of(plain, plain, "https://id.internal/jwks"));
        assert!(!of(safe, "https://evil.example", "https://keys.example/jwks"));
        assert!(!of(safe, "https://id.example/", "https://keys.example/jwks"), "compared as text, not as addresses");
        for keys in ["http://keys.example/jwks", "file:///etc/passwd", "jwks", ""] {
            assert!(!of(safe, safe, keys), "{keys}");
        }
    }
}
