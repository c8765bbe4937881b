//! The committer: drains whatever queued while the last commit was in flight, and commits it as one batch.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shared::clock::Clock;
use tokio::sync::mpsc::Receiver;

use super::command::Unit;
use super::gather::Gather;
use super::metrics::{Metrics, Phase};
use super::postgres::PostgresLane;
use super::queue::{Engine, InFlight, Limits, Queued};
use super::settle::{Lane, Settler};
use super::sqlite::SqliteLane;
use crate::db::Backend;

/// A request of more transfers than this is large: it holds up whoever is behind it.
const LARGE: usize = 1_000;

/// Large requests that are set aside at most; whoever is behind them then waits.
const MOST_ASIDE: usize = 16;

/// The engine's own thread. Its runtime has one thread, so that the answer of the database wakes the committer itself
/// and not a worker that has to wake it.
#[derive(Debug)]
pub struct Committer(std::thread::JoinHandle<()>);

impl Committer {
    /// Waits until everything queued is committed. Only after the last [`Engine`] is gone.
    pub fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the committer panicked");
        }
    }
}

/// Starts the engine on a back-end of its own connection.
pub fn start(
    backend: &Backend,
    limits: Limits,
    clock: Clock,
    metrics: Metrics,
) -> std::io::Result<(Engine, Committer)> {
    let (engine, queue, running) = Engine::new(limits);
    let lane = match backend {
        Backend::Postgres(options) => Lane::Postgres(PostgresLane::new(options.clone())),
        Backend::Sqlite(options) => Lane::Sqlite(SqliteLane::new(options.clone())),
    };
    let last = LastOut(Arc::clone(&running));
    let settler = Settler::new(lane, running, clock, metrics.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let intake = Intake { queue, aside: VecDeque::new(), after_large: false, batch: limits.batch, metrics };
    let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(move || {
        let _last = last;
        runtime.block_on(run(settler, intake));
    })?;
    Ok((engine, Committer(thread)))
}

/// However the committer ends, nobody waits for it for ever.
struct LastOut(Arc<InFlight>);

impl Drop for LastOut {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

async fn run(mut settler: Settler, mut intake: Intake) {
    let mut units = Vec::with_capacity(intake.batch);
    let mut gather = Gather::default();
    while intake.next(&mut units, gather).await {
        let started = Instant::now();
        settler.settle(&units).await;
        gather = Gather { answered: units.len(), queued: intake.queue.len(), took: started.elapsed() };
        units.clear();
    }
    settler.close().await;
}

/// Where batches come from.
struct Intake {
    queue: Receiver<Queued>,
    /// Large requests that let others go first, because one went just before.
    aside: VecDeque<Unit>,
    after_large: bool,
    /// Transfers in a batch, about.
    batch: usize,
    metrics: Metrics,
}

impl Intake {
    /// The next batch; `false`: there will be none. A commit takes as long as it takes, and what arrives meanwhile is the
    /// next batch, with at most one large request in it and none in the batch after, so that no one who is behind two of
    /// them waits for both.
    async fn next(&mut self, units: &mut Vec<Unit>, gather: Gather) -> bool {
        let mut drained = Drained { weight: 0, large: self.after_large };
        if self.aside.is_empty() {
            let Some(first) = self.queue.recv().await else { return false };
            self.metrics.phase(Phase::Queued, first.since.elapsed());
            self.wait(gather);
            drained.take(first.unit, units, &mut self.aside);
        } else if !self.after_large {
            units.extend(self.aside.pop_front().inspect(|unit| drained.count(unit)));
        }
        while drained.weight < self.batch
            && self.aside.len() < MOST_ASIDE
            && let Ok(next) = self.queue.try_recv()
        {
            drained.take(next.unit, units, &mut self.aside);
        }
        if units.is_empty() {
            units.extend(self.aside.pop_front());
        }
        self.after_large = units.iter().any(|unit| unit.work.weight() > LARGE);
        true
    }

    /// Gives those who were just answered the time to come back.
    fn wait(&self, gather: Gather) {
        let (many, patience) = gather.expects();
        let many = many.min(self.batch);
        let since = Instant::now();
        // One is taken already. No timer: the runtime's are several times as coarse.
        while patience > Duration::ZERO && self.queue.len() + 1 < many && since.elapsed() < patience {
            std::thread::yield_now();
        }
    }
}

/// A batch on its way out of the queue.
struct Drained {
    weight: usize,
    /// Whether another large request would be one too many.
    large: bool,
}

impl Drained {
    fn take(&mut self, unit: Unit, units: &mut Vec<Unit>, aside: &mut VecDeque<Unit>) {
        if self.large && unit.work.weight() > LARGE {
            aside.push_back(unit);
        } else {
            self.count(&unit);
            units.push(unit);
        }
    }

    fn count(&mut self, unit: &Unit) {
        self.weight += unit.work.weight();
        self.large |= unit.work.weight() > LARGE;
    }
}
