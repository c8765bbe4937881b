//! The way in: a bounded queue, and the keys that are running right now.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use shared::problem::Context;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::command::{Answer, Failure, KeyDigest, Unit, Work};

/// Bounds of the engine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests that may wait for the committer; one more is refused with 503.
    pub queue: usize,
    /// Transfers in one commit batch, about: a request is never split.
    pub batch: usize,
    /// How long a request waits for another with the same key before it is told to come again.
    pub key_wait: Duration,
}

type Reply = oneshot::Sender<Result<Answer, Failure>>;

/// One key that is running: what was asked, and everybody who waits for the answer, the first asker first.
struct Running {
    fingerprint: Uuid,
    waiting: Vec<Reply>,
}

/// The handle that request handlers hold. Cheap to clone; when the last one goes, the committer finishes and stops.
#[derive(Clone)]
pub struct Engine {
    queue: mpsc::Sender<Queued>,
    running: Arc<InFlight>,
    key_wait: Duration,
}

impl Engine {
    pub(super) fn new(limits: Limits) -> (Self, mpsc::Receiver<Queued>, Arc<InFlight>) {
        let (queue, units) = mpsc::channel(limits.queue);
        let running = Arc::new(InFlight::default());
        (Self { queue, running: Arc::clone(&running), key_wait: limits.key_wait }, units, running)
    }

    /// Puts `unit` in the queue and waits for its outcome, or joins the request that is running under the same key.
    ///
    /// A caller that goes away changes nothing: what was queued is decided, and its key remembers the outcome.
    pub async fn submit(&self, unit: Unit) -> Result<Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        let Some(key) = unit.key else { return Err(Failure::Internal) };
        if self.running.join(key, unit.fingerprint, reply)? {
            if self.queue.try_send(unit.into()).is_err() {
                self.running.settle(key, Err(Failure::Overloaded));
            }
            return answer.await.unwrap_or(Err(Failure::Overloaded));
        }
        match tokio::time::timeout(self.key_wait, answer).await {
            Ok(answer) => answer.unwrap_or(Err(Failure::Overloaded)),
            Err(_elapsed) => Err(Failure::InProgress),
        }
    }

    /// Puts work without a client in the queue.
    pub fn enqueue(&self, work: Work) -> Result<(), Failure> {
        let unit = Unit { key: None, fingerprint: Uuid::nil(), work, context: Context::current() };
        self.queue.try_send(unit.into()).map_err(|_full| Failure::Overloaded)
    }

    /// What was asked under a key that is running right now.
    #[must_use]
    pub fn running(&self, key: KeyDigest) -> Option<Uuid> {
        self.running.keys.lock().get(&key).map(|running| running.fingerprint)
    }

    /// Whether the committer is there.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.queue.is_closed()
    }

    /// How many requests wait for the committer.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

/// A unit in the queue, and since when.
pub(super) struct Queued {
    pub unit: Unit,
    pub since: Instant,
}

impl From<Unit> for Queued {
    fn from(unit: Unit) -> Self {
        Self { unit, since: Instant::now() }
    }
}

/// Keys that are running in this process. Every key in the queue or in a commit batch stands here exactly once.
#[derive(Default)]
pub(super) struct InFlight {
    keys: Mutex<HashMap<KeyDigest, Running>>,
}

impl InFlight {
    /// `true` for the first to ask, whose unit goes into the queue.
    fn join(&self, key: KeyDigest, fingerprint: Uuid, reply: Reply) -> Result<bool, Failure> {
        match self.keys.lock().entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Running { fingerprint, waiting: vec![reply] });
                Ok(true)
            }
            Entry::Occupied(mut running) if running.get().fingerprint == fingerprint => {
                running.get_mut().waiting.push(reply);
                Ok(false)
            }
            Entry::Occupied(_) => Err(Failure::KeyReused),
        }
    }

    /// Lets everybody go who still waits: their senders are dropped, which they read as overload.
    pub(super) fn abandon(&self) {
        self.keys.lock().clear();
    }

    /// Answers everybody who waits for `key`: the first asker as given, the others as a replay.
    pub(super) fn settle(&self, key: KeyDigest, result: Result<Answer, Failure>) {
        let Some(running) = self.keys.lock().remove(&key) else { return };
        let mut waiting = running.waiting.into_iter();
        let first = waiting.next();
        for follower in waiting {
            let replay = result.clone().map(|answer| Answer { replayed: true, ..answer });
            // A receiver that is gone is a client that went away.
            drop(follower.send(replay));
        }
        if let Some(first) = first {
            drop(first.send(result));
        }
    }
}
