//! Admission to hashing: as many at once as there are workers, a bounded queue, a deadline on waiting.
//!
//! A hash costs 20 ms of a core and 19 MiB. Left to the runtime's blocking pool, a flood of sign-ins would take all
//! memory and every core. The permit travels with the job, so a client that goes away frees nothing that still runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use shared::config::Secret;
use shared::problem::{Code, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::calibrate;
use super::floor::{Due, Floor};
use super::hash::{HashError, Parameters, PasswordHash, Scratch};
use super::metrics::{HashMetrics, Hashed};
use super::scheme::Scheme;
use crate::config;

/// A worker gives its 19 MiB back when it has had nothing to do for this long.
const IDLE: Duration = Duration::from_secs(2);

/// The nice value of the workers: about a tenth of the weight of a thread at 0 (sched(7)).
const NICE: i32 = 10;

/// A client told to come again waits this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

type Work = Box<dyn FnOnce(&mut Scratch) + Send>;

/// The pool. Clones share it; its threads end with the last of them.
#[derive(Clone)]
pub struct Hasher(Arc<Pool>);

struct Pool {
    jobs: Sender<Work>,
    permits: Arc<Semaphore>,
    /// One at a time: what takes more memory than our own hashes. It takes a worker besides, but not that worker's memory.
    large: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
    max_wait: Duration,
    parameters: Arc<Parameters>,
    /// What the password of nobody is compared with, so that an unknown user costs what a known one does.
    decoy: PasswordHash,
    metrics: HashMetrics,
    floor: Floor,
}

/// How much memory a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// No more than a hash of ours.
    Ours,
    /// More: a hash that came with its user, or one of ours from before the settings asked for less.
    Large,
}

impl Size {
    fn of(scheme: &Scheme, parameters: &Parameters) -> Self {
        if parameters.exceeded_by(scheme) { Self::Large } else { Self::Ours }
    }

    /// What is large gets memory of its own, which is given back at once.
    fn compare(self, scheme: &Scheme, password: &[u8], scratch: &mut Scratch) -> Result<bool, HashError> {
        match self {
            Self::Ours => scheme.matches(password, scratch),
            Self::Large => scheme.matches(password, &mut Scratch::default()),
        }
    }
}

/// What came of comparing a password with a stored hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Not the password.
    No,
    /// The password.
    Yes,
    /// The password, and its hash should be replaced with this one, made with today's parameters.
    Renewed(PasswordHash),
}

/// A comparison, and how soon it may be told that it came to nothing.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What came of it.
    pub verified: Verified,
    /// Until then whoever is refused waits.
    pub due: Due,
}

impl Hasher {
    /// Starts the workers.
    ///
    /// # Errors
    /// When Argon2 refuses the parameters.
    pub fn start(config: &config::Hashing) -> Result<Self, HashError> {
        let parameters = Arc::new(Parameters::new(config)?);
        let workers = calibrate::workers(config);
        let decoy = PasswordHash::create(&rand::random::<[u8; 16]>(), &parameters, &mut Scratch::default())?;
        let (jobs, todo) = channel::<Work>();
        let todo = Arc::new(Mutex::new(todo));
        for _ in 0..workers {
            let todo = Arc::clone(&todo);
            thread::Builder::new()
                .name("hash".to_owned())
                .spawn(move || work(&todo))
                .map_err(|error| HashError::other(&error))?;
        }
        Ok(Self(Arc::new(Pool {
            jobs,
            permits: Arc::new(Semaphore::new(workers)),
            large: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
            queue: config.queue,
            max_wait: config.max_wait.get(),
            parameters,
            decoy,
            metrics: HashMetrics::new(workers),
            floor: Floor::default(),
        })))
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// 503 `overloaded` when its turn does not come in time.
    pub async fn hash(&self, password: &Secret) -> Result<PasswordHash, Problem> {
        let (password, parameters, metrics) = self.means(password);
        self.run(Size::Ours, move |scratch| {
            let hash = PasswordHash::create(password.expose().as_bytes(), &parameters, scratch)?;
            metrics.hashed(Hashed::Made);
            Ok(hash)
        })
        .await
    }

    /// Compares a password with a stored hash; with none, it does the same work and says no.
    ///
    /// # Errors
    /// 503 `overloaded` when its turn does not come in time.
    pub async fn verify(&self, password: &Secret, stored: Option<&PasswordHash>) -> Result<Verified, Problem> {
        Ok(self.judge(password, stored).await?.verified)
    }

    /// The same for whoever must not learn from the time it takes whose hash it was: they wait until it is due.
    ///
    /// # Errors
    /// 503 `overloaded` when its turn does not come in time.
    pub async fn judge(&self, password: &Secret, stored: Option<&PasswordHash>) -> Result<Judged, Problem> {
        let known = stored.is_some();
        let scheme = stored.unwrap_or(&self.0.decoy).scheme().map_err(Problem::internal)?;
        let (password, parameters, metrics) = self.means(password);
        let size = Size::of(&scheme, &parameters);
        let work = move |scratch: &mut Scratch| {
            let (began, password) = (Instant::now(), password.expose().as_bytes());
            let right = size.compare(&scheme, password, scratch)? && known;
            metrics.hashed(if right { Hashed::Right } else { Hashed::Wrong });
            if !right {
                return Ok((began, Verified::No));
            }
            if parameters.made(&scheme) {
                return Ok((began, Verified::Yes));
            }
            let renewed = PasswordHash::create(password, &parameters, scratch)?;
            metrics.hashed(Hashed::Made);
            Ok((began, Verified::Renewed(renewed)))
        };
        let (began, verified) = self.run(size, work).await?;
        Ok(Judged { verified, due: self.0.floor.since(began) })
    }

    /// How long it takes to compare with this hash and to make one of ours, once it is its turn.
    pub(super) async fn time(&self, stored: &PasswordHash) -> Result<Duration, Problem> {
        let (scheme, parameters) = (stored.scheme().map_err(Problem::internal)?, Arc::clone(&self.0.parameters));
        let size = Size::of(&scheme, &parameters);
        self.run(size, move |scratch| {
            let (began, password) = (Instant::now(), b"nobody's password 1");
            size.compare(&scheme, password, scratch)?;
            PasswordHash::create(password, &parameters, scratch)?;
            Ok(began.elapsed())
        })
        .await
    }

    /// How soon failures may be told.
    pub(super) fn floor(&self) -> &Floor {
        &self.0.floor
    }

    /// Requests waiting for their turn, for the metrics.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Whether somebody who came now would find a place, for whoever has to know before they count.
    ///
    /// # Errors
    /// 503 when all places are taken.
    pub fn has_room(&self) -> Result<(), Problem> {
        let pool = &self.0;
        let free = pool.permits.available_permits() > 0 || pool.waiting.load(Ordering::Relaxed) < pool.queue;
        if free { Ok(()) } else { Err(Problem::new(Code::Overloaded).retry_after(RETRY_AFTER)) }
    }

    /// Puts its metrics among those that are shown.
    pub fn register(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    /// Hashes computed so far, and the most at once.
    #[cfg(test)]
    pub fn work(&self) -> (u64, i64) {
        self.0.metrics.work()
    }

    fn means(&self, password: &Secret) -> (Secret, Arc<Parameters>, HashMetrics) {
        (password.clone(), Arc::clone(&self.0.parameters), self.0.metrics.clone())
    }

    async fn run<T: Send + 'static>(
        &self,
        size: Size,
        job: impl FnOnce(&mut Scratch) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, Problem> {
        let came = Instant::now();
        let permit = self.turn(size).await.inspect_err(|_| self.0.metrics.shed())?;
        self.0.metrics.waited(came.elapsed());
        let (answer, answered) = oneshot::channel();
        let metrics = self.0.metrics.clone();
        let work: Work = Box::new(move |scratch| {
            let at_work = metrics.begin();
            let result = job(scratch);
            drop(at_work);
            // Given back before the answer: whoever is told that it is done may start the next one.
            drop(permit);
            drop(answer.send(result));
        });
        self.0.jobs.send(work).map_err(|_| Problem::internal("the hash workers have ended"))?;
        answered.await.map_err(|_| Problem::internal("a hash worker died"))?.map_err(Problem::internal)
    }

    /// A worker, and for what is large the one place of that kind before it.
    async fn turn(&self, size: Size) -> Result<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>), Problem> {
        let large = match size {
            Size::Ours => None,
            Size::Large => Some(self.permit(&self.0.large).await?),
        };
        Ok((self.permit(&self.0.permits).await?, large))
    }

    async fn permit(&self, permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
        let busy = || Problem::new(Code::Overloaded).retry_after(RETRY_AFTER);
        let permits = Arc::clone(permits);
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(&self.0).ok_or_else(busy)?;
        match tokio::time::timeout(self.0.max_wait, permits.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher(…)")
    }
}

/// A place in the queue, left when dropped: also by a client that goes away.
struct Place<'a>(&'a Pool);

impl<'a> Place<'a> {
    fn take(pool: &'a Pool) -> Option<Self> {
        let ahead = pool.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(pool);
        (ahead < pool.queue).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// This thread gives way to everything else: under a flood of sign-ins, whoever only reads is served first, and
/// a core that has nothing else to do hashes as fast as ever. Where the system refuses, all are equal.
pub fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "hashing has the priority of everything else");
    }
}

fn work(todo: &Mutex<Receiver<Work>>) {
    give_way();
    let mut scratch = Scratch::default();
    loop {
        // Waiting under the lock is what hands each job to one worker; a permit was needed to get here.
        let next = todo.lock().recv_timeout(IDLE);
        match next {
            Ok(work) => work(&mut scratch),
            Err(RecvTimeoutError::Timeout) => scratch = Scratch::default(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_more_memory_than_ours_is_compared_one_at_a_time() {
        let wait = Duration::from_millis(50).into();
        let config =
            config::Hashing { memory_kib: 64, passes: 1, lanes: 1, workers: 4, memory: 0, queue: 9, max_wait: wait };
        let hasher = Hasher::start(&config).unwrap();
        let password = Secret::from("one 1".to_owned());
        let large =
            Hasher::start(&config::Hashing { memory_kib: 128, ..config }).unwrap().hash(&password).await.unwrap();
        let held = Arc::clone(&hasher.0.large).try_acquire_owned().unwrap();
        let refused = hasher.judge(&password, Some(&large)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        assert_eq!(hasher.verify(&password, None).await.unwrap(), Verified::No, "ours wait for no such place");
        drop(held);
        let Verified::Renewed(ours) = hasher.verify(&password, Some(&large)).await.unwrap() else {
            return assert_eq!(large.as_str(), "to be renewed");
        };
        assert_eq!(hasher.verify(&password, Some(&ours)).await.unwrap(), Verified::Yes);
        assert_eq!((hasher.waiting(), hasher.0.large.available_permits()), (0, 1));
    }
}
