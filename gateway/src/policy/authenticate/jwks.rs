//! The keys' life: one task fetches, requests read. Fetched at start with retry, then at intervals, and once more when
//! a token names a key that is not there, with a cool-down. When the issuer is down, the old keys serve on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::keys::KeySet;
use crate::config::Authentication;

/// The first wait after a failure while there are no keys at all; it doubles up to the cool-down.
const FIRST_RETRY: Duration = Duration::from_millis(100);

/// A JWK set is a few kilobytes; more is not read.
const MAX_DOCUMENT: usize = 262_144;

/// The issuer's keys as last fetched.
#[derive(Debug)]
pub struct Jwks {
    url: String,
    pinned: Vec<Algorithm>,
    refresh: Duration,
    cool_down: Duration,
    refetch_timeout: Duration,
    current: ArcSwapOption<KeySet>,
    wanted: Notify,
    attempts: watch::Sender<u64>,
    fetching: AtomicBool,
    last_attempt: Mutex<Option<Instant>>,
}

/// Why a fetch brought nothing. For the log.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer is no JWK set: {0}")]
    Document(#[from] serde_json::Error),
    #[error("the answer is larger than {MAX_DOCUMENT} bytes")]
    TooLarge,
    #[error("the set has no key that could be used")]
    NoKeys,
}

impl Jwks {
    /// Without keys yet. `url` is where they are, `pinned` the algorithms that the issuer may use.
    #[must_use]
    pub fn new(config: &Authentication, url: String, pinned: Vec<Algorithm>) -> Arc<Self> {
        Arc::new(Self {
            url,
            pinned,
            refresh: config.refresh.get(),
            cool_down: config.cool_down.get(),
            refetch_timeout: config.refetch_timeout.get(),
            current: ArcSwapOption::empty(),
            wanted: Notify::new(),
            attempts: watch::Sender::new(0),
            fetching: AtomicBool::new(false),
            last_attempt: Mutex::new(None),
        })
    }

    /// The keys, if there ever were any.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.current.load_full()
    }

    /// Puts a set in place, as a fetch does.
    pub fn replace(&self, keys: KeySet) {
        self.current.store(Some(Arc::new(keys)));
    }

    /// Asks for a fetch and waits for its end. `false`: the last one is too recent, or this one took too long.
    pub async fn refetch(&self) -> bool {
        let mut attempts = self.attempts.subscribe();
        // While one is under way its end is waited for: the key may be what it brings.
        if !self.fetching.load(Ordering::Acquire) {
            let recent = self.last_attempt.lock().is_some_and(|at| at.elapsed() < self.cool_down);
            if recent {
                return false;
            }
            self.wanted.notify_one();
        }
        tokio::time::timeout(self.refetch_timeout, attempts.changed()).await.is_ok()
    }

    /// Fetches for as long as it is polled.
    pub async fn run(&self, client: &reqwest::Client) {
        let mut retry = FIRST_RETRY;
        loop {
            self.fetching.store(true, Ordering::Release);
            *self.last_attempt.lock() = Some(Instant::now());
            let pause = match self.fetch(client).await {
                Ok(keys) => {
                    tracing::debug!(keys = keys.len(), "signing keys fetched");
                    self.replace(keys);
                    retry = FIRST_RETRY;
                    self.refresh
                }
                Err(error) => {
                    tracing::warn!(%error, url = self.url, "signing keys could not be fetched");
                    let pause = retry.min(self.cool_down);
                    retry = retry.saturating_mul(2);
                    pause
                }
            };
            self.fetching.store(false, Ordering::Release);
            self.attempts.send_modify(|attempts| *attempts += 1);
            // A refused refetch returns at once, so a wake-up here means that the cool-down is over.
            let _ = tokio::time::timeout(pause, self.wanted.notified()).await;
        }
    }

    async fn fetch(&self, client: &reqwest::Client) -> Result<KeySet, FetchError> {
        let answer = client.get(&self.url).timeout(self.cool_down.max(Duration::from_secs(2))).send().await?;
        let body = answer.error_for_status()?.bytes().await?;
        if body.len() > MAX_DOCUMENT {
            return Err(FetchError::TooLarge);
        }
        let keys = KeySet::parse(&body, &self.pinned)?;
        // An empty set would turn every token away; the old keys are the better guess.
        if keys.is_empty() { Err(FetchError::NoKeys) } else { Ok(keys) }
    }
}
