//! The way in: a bounded queue, and the keys that are running right now.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use uuid::Uuid;

use super::command::{Answer, Failure, KeyDigest, Unit, Work};

/// Transfers of batches that may be inside at once, waiting or being committed: six of the largest, some 25 MB. Single
/// transfers are bounded by the queue's length and need no part of it, so no batch keeps them out.
const ROOM: usize = 48 * 1024;

/// Requests that wait for another with the same key. Who comes after them is told to come again at once.
const MOST_WAITING: usize = 1_024;

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
    /// What it takes of [`ROOM`].
    _room: Option<OwnedSemaphorePermit>,
}

/// The handle that request handlers hold. Cheap to clone; when the last one goes, the committer finishes and stops.
#[derive(Clone)]
pub struct Engine {
    queue: mpsc::Sender<Queued>,
    running: Arc<InFlight>,
    room: Arc<Semaphore>,
    key_wait: Duration,
}

impl Engine {
    pub(super) fn new(limits: Limits) -> (Self, mpsc::Receiver<Queued>, Arc<InFlight>) {
        let (queue, units) = mpsc::channel(limits.queue);
        let running = Arc::new(InFlight::default());
        let room = Arc::new(Semaphore::new(ROOM));
        (Self { queue, running: Arc::clone(&running), room, key_wait: limits.key_wait }, units, running)
    }

    /// Puts `unit` in the queue and waits for its outcome, or joins the request that is running under the same key.
    ///
    /// A caller that goes away changes nothing: what was queued is decided, and its key remembers the outcome.
    pub async fn submit(&self, unit: Unit) -> Result<Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        let Some(key) = unit.key else { return Err(Failure::Internal) };
        if self.running.join(key, unit.fingerprint, reply, || self.room_for(&unit.work))? {
            if self.queue.try_send(unit.into()).is_err() {
                self.running.settle(key, Err(Failure::Overloaded));
            }
            return answer.await.unwrap_or(Err(Failure::Overloaded));
        }
        // Whoever waits has no part of the room, so nothing large may wait with it.
        drop(unit);
        match tokio::time::timeout(self.key_wait, answer).await {
            Ok(answer) => answer.unwrap_or(Err(Failure::Overloaded)),
            Err(_elapsed) => Err(Failure::InProgress),
        }
    }

    fn room_for(&self, work: &Work) -> Result<Option<OwnedSemaphorePermit>, Failure> {
        let Work::Many(_, items) = work else { return Ok(None) };
        let weight = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(weight);
        room.map(Some).map_err(|_full| Failure::Overloaded)
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

    /// How many may.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.queue.max_capacity()
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
    /// `true` for the first to ask, whose unit goes into the queue if there is room for it.
    fn join(
        &self,
        key: KeyDigest,
        fingerprint: Uuid,
        reply: Reply,
        room: impl FnOnce() -> Result<Option<OwnedSemaphorePermit>, Failure>,
    ) -> Result<bool, Failure> {
        match self.keys.lock().entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Running { fingerprint, waiting: vec![reply], _room: room()? });
                Ok(true)
            }
            Entry::Occupied(mut running) if running.get().fingerprint == fingerprint => {
                let waiting = &mut running.get_mut().waiting;
                if waiting.len() >= MOST_WAITING {
                    // The first has the first place, whether or not its client is still there.
                    let mut place = 0;
                    waiting.retain(|reply| std::mem::replace(&mut place, 1) == 0 || !reply.is_closed());
                }
                if waiting.len() >= MOST_WAITING {
                    return Err(Failure::InProgress);
                }
                waiting.push(reply);
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

#[cfg(test)]
mod tests {
    use shared::problem::{Code, Context, Problem};

    use super::super::command::Mode;
    use super::super::outcome::Outcome;
    use super::*;

    const LARGEST: usize = 8_000;

    fn unit(key: u128, items: usize) -> Unit {
        let items = (0..items).map(|_| Err(Problem::new(Code::NotFound))).collect();
        Unit {
            key: Some(KeyDigest(Uuid::from_u128(key))),
            fingerprint: Uuid::nil(),
            work: Work::Many(Mode::Independent, items),
            context: Context::current(),
        }
    }

    fn engine() -> (Engine, mpsc::Receiver<Queued>, Arc<InFlight>) {
        Engine::new(Limits { queue: 1_000, batch: 512, key_wait: Duration::from_secs(60) })
    }

    /// Polled once: it is in the queue, or refused.
    fn ask<'a>(engine: &'a Engine, unit: Unit) -> Result<impl Future<Output = Result<Answer, Failure>> + 'a, Failure> {
        let mut asked = Box::pin(engine.submit(unit));
        match futures_util::FutureExt::now_or_never(&mut asked) {
            None => Ok(asked),
            Some(Err(failure)) => Err(failure),
            Some(Ok(_)) => panic!("nobody answers here"),
        }
    }

    fn refused(asked: Result<impl Future, Failure>) -> Option<Failure> {
        asked.err()
    }

    #[tokio::test]
    async fn batches_have_so_much_room_and_no_more() {
        let (engine, _queue, running) = engine();
        let inside: Vec<_> = (0..6).map(|n| ask(&engine, unit(n, LARGEST)).ok().unwrap()).collect();
        assert_eq!(refused(ask(&engine, unit(7, LARGEST))), Some(Failure::Overloaded));
        assert!(engine.running(KeyDigest(Uuid::from_u128(7))).is_none(), "its key is free");
        // A small one finds its place, and so does the same once more.
        let _small = ask(&engine, unit(8, 10)).ok().unwrap();
        let _same = ask(&engine, unit(5, LARGEST)).ok().unwrap();
        // It is taken until the commit, also when its client goes away.
        drop(inside);
        assert_eq!(refused(ask(&engine, unit(7, LARGEST))), Some(Failure::Overloaded));
        let answer = Answer { outcome: Outcome::Stored(200, "{}".into()), at: 0, replayed: false };
        running.settle(KeyDigest(Uuid::from_u128(0)), Ok(answer));
        assert_eq!(refused(ask(&engine, unit(7, LARGEST))), None);
    }

    #[tokio::test]
    async fn so_many_wait_under_one_key_and_no_more() {
        let (engine, _queue, _running) = engine();
        let waiting: Vec<_> = (0..MOST_WAITING).map(|_| ask(&engine, unit(1, 1)).ok().unwrap()).collect();
        assert_eq!(refused(ask(&engine, unit(1, 1))), Some(Failure::InProgress));
        drop(waiting);
        assert_eq!(refused(ask(&engine, unit(1, 1))), None, "those who went away leave their places");
    }
}
