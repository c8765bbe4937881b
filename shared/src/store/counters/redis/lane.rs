//! The way to Redis: one call at a time, and whatever queues while it is under way goes with the next.
//!
//! So the number of round trips follows from Redis's speed, not from the number of requests, and answers come in the
//! order of their questions. Nobody waits for a Redis that is known not to answer: whether it does is found out by calls
//! that no request waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::Script;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::question::Question;
use super::script::{self, Batch, Presence};
use crate::clock::Clock;
use crate::store::StoreError;
use crate::store::counters::mirror::Mirror;
use crate::store::link::Link;

/// Questions that may wait for the next call; more are decided alone.
const MAX_QUEUED: usize = 8_192;
/// Questions of one call.
const MAX_TOGETHER: usize = 256;
/// How long a Redis that gave no answer is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How often an instance that asks says that it is there.
const ANNOUNCE: Duration = Duration::from_secs(1);

/// No call is under way.
const RESTING: i64 = 0;
/// Redis does not answer.
const DOWN: i64 = -1;

/// The queue, and the task that empties it; both end with this value.
#[derive(Debug)]
pub(super) struct Lane {
    queue: mpsc::Sender<Arc<Question>>,
    pulse: Arc<Pulse>,
    driver: JoinHandle<()>,
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// How the call that is under way is doing.
#[derive(Debug)]
pub(super) struct Pulse {
    origin: Instant,
    /// Microseconds after the origin at which the call set out, or one of the words above.
    since: AtomicI64,
    questions: AtomicU64,
    calls: AtomicU64,
    lost: AtomicU64,
    instances: AtomicU32,
}

impl Pulse {
    fn now(&self) -> i64 {
        i64::try_from(self.origin.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn begin(&self, questions: u64) {
        self.questions.fetch_add(questions, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.since.store(self.now().max(1), Ordering::Release);
    }

    fn end(&self, answered: bool) {
        if !answered {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.since.store(if answered { RESTING } else { DOWN }, Ordering::Release);
    }

    pub fn is_down(&self) -> bool {
        self.since.load(Ordering::Acquire) == DOWN
    }

    /// How many instances have used the counters lately.
    pub fn instances(&self) -> u32 {
        self.instances.load(Ordering::Relaxed)
    }

    /// Questions, calls, lost calls.
    pub fn counts(&self) -> [u64; 3] {
        [&self.questions, &self.calls, &self.lost].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Lane {
    /// On the current runtime, which has to live as long as the process. A call is given up after `deadline`.
    pub fn open(link: Link, clock: Clock, mirror: Arc<Mirror>, deadline: Duration) -> Self {
        let (queue, queued) = mpsc::channel(MAX_QUEUED);
        let pulse = Arc::new(Pulse {
            origin: Instant::now(),
            since: AtomicI64::new(RESTING),
            questions: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            instances: AtomicU32::new(1),
        });
        let epoch = link.epoch();
        let presence =
            Presence { key: link.key("{counters}/instances"), id: format!("{:032x}", rand::random::<u128>()) };
        let driver = Driver {
            queued,
            epoch,
            link,
            clock,
            mirror,
            deadline,
            pulse: Arc::clone(&pulse),
            script: script::take(),
            presence,
            announced: None,
        };
        Self { queue, pulse, driver: tokio::spawn(driver.run()) }
    }

    /// Whether it makes sense to wait: Redis answers, and has not been thinking for longer than one would wait.
    pub fn is_prompt(&self, patience: Duration) -> bool {
        match self.pulse.since.load(Ordering::Acquire) {
            RESTING => true,
            DOWN => false,
            since => {
                let thinking = u64::try_from(self.pulse.now().saturating_sub(since)).unwrap_or(0);
                Duration::from_micros(thinking) <= patience
            }
        }
    }

    /// Queues a question, if there is room.
    pub fn put(&self, question: &Arc<Question>) -> bool {
        self.queue.try_send(Arc::clone(question)).is_ok()
    }

    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }
}

/// The task.
struct Driver {
    queued: mpsc::Receiver<Arc<Question>>,
    epoch: watch::Receiver<u64>,
    link: Link,
    clock: Clock,
    mirror: Arc<Mirror>,
    deadline: Duration,
    pulse: Arc<Pulse>,
    script: Script,
    presence: Presence,
    announced: Option<Instant>,
}

impl Driver {
    async fn run(mut self) {
        loop {
            let mut questions = Vec::new();
            if self.mirror.owes() {
                // What is owed is told at once, whether or not anybody asks.
                questions = here(&mut self.queued);
            } else if self.queued.recv_many(&mut questions, MAX_TOGETHER).await == 0 {
                return;
            }
            if self.epoch.has_changed().unwrap_or(false) {
                self.epoch.mark_unchanged();
                self.mirror.doubt();
            }
            let batch = Batch::load(questions, &self.mirror);
            if !batch.is_empty() && !self.carry(batch).await {
                self.wait_for_return().await;
            }
        }
    }

    fn next_now(&mut self) -> Option<Arc<Question>> {
        self.queued.try_recv().ok()
    }

    /// One round trip that requests may wait for. Says whether it was one.
    async fn carry(&mut self, batch: Batch) -> bool {
        let is_due = self.announced.is_none_or(|last| last.elapsed() >= ANNOUNCE);
        let batch = if is_due { batch.present(&self.presence) } else { batch };
        if batch.is_present() {
            self.announced = Some(Instant::now());
        }
        self.pulse.begin(batch.questions());
        let answered = self.ask(batch).await;
        self.pulse.end(answered);
        answered
    }

    async fn ask(&self, batch: Batch) -> bool {
        let (call, script) = (batch.command(&self.script, &self.clock), &self.script);
        let run = async |mut connection| script::run(script, &call, &mut connection).await;
        let answer: Result<Vec<u64>, StoreError> = self.link.call(self.deadline, run).await;
        let done = match answer {
            Ok(answer) => batch.answered(&answer, &self.mirror),
            Err(error) => {
                batch.lost(&error, &self.mirror);
                Err(error)
            }
        };
        match &done {
            Ok(Some(instances)) => self.pulse.instances.store((*instances).max(1), Ordering::Relaxed),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "a call to the shared counters was given up"),
        }
        done.is_ok()
    }

    /// Redis is left alone until there is a new connection, or for a while; then a call that nobody waits for, with what
    /// is owed, finds out whether it is back.
    async fn wait_for_return(&mut self) {
        loop {
            let why = StoreError::Unavailable("the shared counters did not answer".to_owned());
            while let Some(question) = self.next_now() {
                question.lose(&why);
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = self.epoch.changed() => self.mirror.doubt(),
            }
            // Until this has come back, the pulse says "down".
            let back = self.ask(Batch::load(Vec::new(), &self.mirror)).await;
            if back {
                self.pulse.end(back);
                return;
            }
        }
    }
}

/// What is queued now, up to what one call carries; the rest stays queued.
fn here<T>(queued: &mut mpsc::Receiver<T>) -> Vec<T> {
    std::iter::from_fn(|| queued.try_recv().ok()).take(MAX_TOGETHER).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_questions_than_one_call_carries_go_with_the_next_and_none_is_lost() {
        let (queue, mut queued) = mpsc::channel(MAX_QUEUED);
        let all: Vec<usize> = (0..2 * MAX_TOGETHER + 7).collect();
        all.iter().for_each(|question| queue.try_send(*question).unwrap());
        let calls: Vec<_> = (0..4).map(|_| here(&mut queued)).collect();
        assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [MAX_TOGETHER, MAX_TOGETHER, 7, 0]);
        assert_eq!(calls.concat(), all);
    }
}
