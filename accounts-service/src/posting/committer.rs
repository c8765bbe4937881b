//! The committer: drains whatever queued while the last commit was in flight, and commits it as one batch.

use std::sync::Arc;

use shared::clock::Clock;
use tokio::sync::mpsc;

use super::command::Unit;
use super::metrics::Metrics;
use super::postgres::PostgresLane;
use super::queue::{Engine, InFlight, Limits};
use super::settle::{Lane, Settler};
use super::sqlite::SqliteLane;
use crate::db::Backend;

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
    let (engine, units, running) = Engine::new(limits);
    let lane = match backend {
        Backend::Postgres(options) => Lane::Postgres(PostgresLane::new(options.clone())),
        Backend::Sqlite(options) => Lane::Sqlite(SqliteLane::new(options.clone())),
    };
    let last = LastOut(Arc::clone(&running));
    let settler = Settler::new(lane, running, clock, metrics);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("committer".to_owned()).spawn(move || {
        let _last = last;
        runtime.block_on(run(settler, units, limits.batch));
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

async fn run(mut settler: Settler, mut queue: mpsc::Receiver<Unit>, batch: usize) {
    let mut units = Vec::with_capacity(batch);
    while let Some(first) = queue.recv().await {
        drain(first, &mut queue, &mut units, batch);
        settler.settle(&units).await;
        units.clear();
    }
    settler.close().await;
}

/// No timer: a commit takes as long as it takes, and what arrives meanwhile is the next batch.
fn drain(first: Unit, queue: &mut mpsc::Receiver<Unit>, units: &mut Vec<Unit>, batch: usize) {
    let mut weight = first.work.weight();
    units.push(first);
    while weight < batch
        && let Ok(unit) = queue.try_recv()
    {
        weight += unit.work.weight();
        units.push(unit);
    }
}
