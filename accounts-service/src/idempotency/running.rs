//! The keys that are running in this process: whoever comes second waits here, and holds no connection meanwhile.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::once::Claim;
use crate::posting::KeyDigest;

/// The keys, and how long one waits for another's.
#[derive(Debug)]
pub struct Running {
    keys: Mutex<HashMap<KeyDigest, Request>>,
    wait: Duration,
}

#[derive(Debug)]
struct Request {
    fingerprint: Uuid,
    /// Closes when the request has ended, however it did.
    ended: watch::Receiver<()>,
}

/// The one request that runs under a key, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    running: &'a Running,
    key: KeyDigest,
    _ends: watch::Sender<()>,
}

/// Where a request finds itself.
pub(super) enum Place<'a> {
    /// Nobody else runs under its key.
    First(Seat<'a>),
    /// Another of the same request does.
    Later(Waiting),
    /// Another request does.
    Reused,
}

/// A request that waits for another.
pub(super) struct Waiting(watch::Receiver<()>);

impl Running {
    /// Nobody yet; whoever comes waits for at most `wait`.
    #[must_use]
    pub fn new(wait: Duration) -> Self {
        Self { keys: Mutex::default(), wait }
    }

    /// Until when a request that comes now may wait.
    pub(super) fn patience(&self) -> Instant {
        Instant::now() + self.wait
    }

    /// Takes the seat, if it is free.
    pub(super) fn enter(&self, claim: Claim) -> Place<'_> {
        let mut keys = self.keys.lock();
        match keys.get(&claim.digest) {
            Some(other) if other.fingerprint != claim.fingerprint => Place::Reused,
            Some(same) => Place::Later(Waiting(same.ended.clone())),
            None => {
                let (ends, ended) = watch::channel(());
                keys.insert(claim.digest, Request { fingerprint: claim.fingerprint, ended });
                Place::First(Seat { running: self, key: claim.digest, _ends: ends })
            }
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.running.keys.lock().remove(&self.key);
    }
}

impl Waiting {
    /// Whether the other has ended before `deadline`.
    pub(super) async fn ended(mut self, deadline: Instant) -> bool {
        // Nothing is ever sent: the channel closes.
        tokio::time::timeout_at(deadline, self.0.changed()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(key: u128, fingerprint: u128) -> Claim {
        Claim { digest: KeyDigest(Uuid::from_u128(key)), fingerprint: Uuid::from_u128(fingerprint) }
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_waits_until_the_first_has_ended_or_its_patience_has() {
        let running = Running::new(Duration::from_secs(2));
        let Place::First(seat) = running.enter(claim(1, 1)) else { panic!("nobody was there") };
        assert!(matches!(running.enter(claim(1, 2)), Place::Reused));
        assert!(matches!(running.enter(claim(2, 1)), Place::First(_)));
        let Place::Later(impatient) = running.enter(claim(1, 1)) else { panic!("the seat is taken") };
        let asked = Instant::now();
        assert!(!impatient.ended(running.patience()).await);
        assert_eq!(asked.elapsed().as_secs(), 2);
        let Place::Later(waiting) = running.enter(claim(1, 1)) else { panic!("the seat is taken") };
        drop(seat);
        assert!(waiting.ended(running.patience()).await);
        assert!(matches!(running.enter(claim(1, 1)), Place::First(_)));
    }
}
