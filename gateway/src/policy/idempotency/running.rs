//! The keys that are running in this process: whoever comes second waits here for the first's answer.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use shared::store::idempotency::{Claim, Digest};
use tokio::sync::watch;

/// The keys.
#[derive(Debug, Default)]
pub struct Running(Mutex<HashMap<Digest, Request>>);

#[derive(Debug)]
struct Request {
    fingerprint: Digest,
    /// Holds the answer once there is one, and closes when the request has ended, however it did.
    answer: watch::Receiver<Option<Bytes>>,
}

/// The one request that runs under a key, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    running: Arc<Running>,
    key: Digest,
    answer: watch::Sender<Option<Bytes>>,
}

/// Where a request finds itself.
pub enum Place {
    /// Nobody else runs under its key.
    First(Seat),
    /// Another of the same request does.
    Later(Waiting),
    /// Another request does.
    Reused,
}

/// A request that waits for another.
pub struct Waiting(watch::Receiver<Option<Bytes>>);

impl Running {
    /// Takes the seat, if it is free.
    pub fn enter(self: &Arc<Self>, claim: &Claim) -> Place {
        let mut keys = self.0.lock();
        match keys.get(&claim.key) {
            Some(other) if other.fingerprint != claim.fingerprint => Place::Reused,
            Some(same) => Place::Later(Waiting(same.answer.clone())),
            None => {
                let (sender, answer) = watch::channel(None);
                keys.insert(claim.key, Request { fingerprint: claim.fingerprint, answer });
                Place::First(Seat { running: Arc::clone(self), key: claim.key, answer: sender })
            }
        }
    }
}

impl Seat {
    /// Tells everybody who waits, and whoever comes before the seat is given up.
    pub fn tell(&self, kept: Bytes) {
        self.answer.send_replace(Some(kept));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.running.0.lock().remove(&self.key);
    }
}

impl Waiting {
    /// The other's answer; nothing when it ended without one that is kept.
    pub async fn answer(mut self) -> Option<Bytes> {
        // The last answer is still there when the channel has closed.
        let _ = self.0.wait_for(Option::is_some).await;
        self.0.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn claim(key: u8, fingerprint: u8) -> Claim {
        let (lease, keep) = (Duration::from_secs(1), Duration::from_secs(1));
        Claim { key: [key; 32], fingerprint: [fingerprint; 32], owner: 1, lease, keep, take_over: false }
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_hears_the_firsts_answer_or_that_there_is_none() {
        let running = Arc::<Running>::default();
        let Place::First(seat) = running.enter(&claim(1, 1)) else { panic!("nobody was there") };
        assert!(matches!(running.enter(&claim(1, 2)), Place::Reused));
        assert!(matches!(running.enter(&claim(2, 1)), Place::First(_)));
        let Place::Later(patient) = running.enter(&claim(1, 1)) else { panic!("the seat is taken") };
        let Place::Later(late) = running.enter(&claim(1, 1)) else { panic!("the seat is taken") };
        assert!(tokio::time::timeout(Duration::from_secs(2), late.answer()).await.is_err());
        let Place::Later(disappointed) = running.enter(&claim(1, 1)) else { panic!("the seat is taken") };
        drop(seat);
        assert_eq!((patient.answer().await, disappointed.answer().await), (None, None));

        let Place::First(seat) = running.enter(&claim(1, 1)) else { panic!("the seat is free") };
        let Place::Later(patient) = running.enter(&claim(1, 1)) else { panic!("the seat is taken") };
        seat.tell("kept".into());
        let Place::Later(late) = running.enter(&claim(1, 1)) else { panic!("the seat is taken") };
        drop(seat);
        assert_eq!((patient.answer().await, late.answer().await), (Some("kept".into()), Some("kept".into())));
    }
}
