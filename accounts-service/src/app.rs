//! From a configuration to a running service: the recipe, and the one state struct that handlers share.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App as WebApp, HttpServer, web};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use shared::auth::{AUDIENCE_ACCOUNTS, SecretTooShort, Verifier};
use shared::clock::Clock;
use tokio::task::JoinSet;

use crate::config::{Config, DatabaseConfig};
use crate::db::{Database, DatabaseError, keep_near, keep_opening, open_months};
use crate::history::History;
use crate::idempotency::{Running, keep_sweeping};
use crate::posting::{self, Committer, Engine, Limits, Metrics};
use crate::proof;
use crate::receipts::{KeyringError, Receipts};
use crate::standing::worker::{self, Worker};
use crate::statements::{Bounds, Desk};
use crate::{holds, routes};

/// How long the committer may take over what is still queued when everything else has stopped.
const LAST_COMMITS: Duration = Duration::from_secs(10);

/// What a service needs from outside besides its configuration.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where time comes from.
    pub clock: Clock,
}

/// What every handler sees.
pub struct App {
    /// The database, for everything but posting.
    pub db: Database,
    /// How the ledger stood.
    pub history: History,
    /// The posting engine.
    pub engine: Engine,
    /// User accounts that one user may have.
    pub accounts_per_user: u32,
    /// Where statements are written.
    pub statements: Desk,
    /// What signs receipts.
    pub receipts: Receipts,
    /// Keys of other requests that are running now.
    pub running: Running,
    /// How much the service looks at by itself, and how often.
    pub invariants: proof::Bounds,
    /// Time.
    pub clock: Clock,
    /// What a scrape shows.
    pub registry: Mutex<Registry>,
    /// Set when the service is about to stop: readiness fails from then on.
    pub stopping: Arc<AtomicBool>,
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The listener or a thread cannot be had.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The assertion secret is too short.
    #[error(transparent)]
    Secret(#[from] SecretTooShort),
    /// The keys of receipts cannot be made or opened.
    #[error(transparent)]
    Receipts(#[from] KeyringError),
}

/// A service that listens.
pub struct Service {
    /// Where.
    pub addr: SocketAddr,
    server: Server,
    handle: Handle,
    committer: Committer,
    tasks: JoinSet<()>,
}

/// Stops a service from elsewhere.
#[derive(Clone)]
pub struct Handle {
    server: ServerHandle,
    stopping: Arc<AtomicBool>,
}

/// Connects, migrates if configured so, starts the engine and listens.
pub async fn build(config: Config, deps: Deps, listener: TcpListener) -> Result<Service, StartError> {
    let verifier = web::Data::new(Verifier::new(&config.identity.secret, AUDIENCE_ACCOUNTS, deps.clock.clone())?);
    let db = Database::connect(config.database.url.expose(), config.database.connections).await?;
    db.prepare(config.database.migrate_on_start).await?;
    open_months(&db, &deps.clock).await.map_err(DatabaseError::from)?;
    let mut registry = Registry::with_prefix("tollgate_accounts");
    let DatabaseConfig { replica_url, replica_max_lag, connections, .. } = &config.database;
    let db = match replica_url.expose() {
        "" => db,
        url => db.with_replica(url, *connections, &mut registry)?,
    };
    let metrics = Metrics::register(&mut registry);
    let limits =
        Limits { queue: config.posting.queue, batch: config.posting.batch, key_wait: config.posting.key_wait.get() };
    let (engine, committer) = posting::start(&db.backend, limits, deps.clock.clone(), metrics)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_near(db.clone(), deps.clock.clone(), replica_max_lag.get()));
    tasks.spawn(keep_opening(db.clone(), deps.clock.clone()));
    tasks.spawn(keep_sweeping(db.clone(), deps.clock.clone(), config.retention.sweep_every.get()));
    tasks.spawn(holds::keep_sweeping(db.clone(), deps.clock.clone(), config.holds.sweep_every.get()));
    let standing = Worker {
        db: db.clone(),
        engine: engine.clone(),
        clock: deps.clock.clone(),
        metrics: worker::Metrics::register(&mut registry),
    };
    tasks.spawn(standing.run(config.standing.poll.get()));
    let receipts = Receipts::open(&config.receipts, db.clone(), deps.clock.clone(), &mut registry).await?;
    tasks.spawn(receipts.clone().run());
    let shown = proof::Metrics::register(&mut registry, &deps.clock);
    tasks.spawn(proof::Sampler::new(db.clone(), deps.clock.clone(), config.invariants.into(), shown).run());
    let stopping = Arc::new(AtomicBool::new(false));
    let clock = web::Data::new(deps.clock.clone());
    let app = web::Data::new(App {
        history: History::new(db.clone(), deps.clock.clone()),
        db,
        engine,
        accounts_per_user: config.accounts.per_user,
        statements: Desk::new(Bounds::from(&config.statements), &mut registry),
        receipts,
        running: Running::new(config.posting.key_wait.get()),
        invariants: config.invariants.into(),
        clock: deps.clock,
        registry: Mutex::new(registry),
        stopping: Arc::clone(&stopping),
    });

    let addr = listener.local_addr()?;
    let workers = match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        some => some,
    };
    let server = HttpServer::new(move || {
        WebApp::new()
            .app_data(app.clone())
            .app_data(clock.clone())
            .app_data(verifier.clone())
            .configure(routes::configure)
            .wrap(from_fn(shared::http::context))
    })
    .workers(workers)
    .shutdown_timeout(config.server.grace.get().as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = Handle { server: server.handle(), stopping };
    Ok(Service { addr, server, handle, committer, tasks })
}

impl Service {
    /// Serves until it is stopped, then ends the tasks and commits what is still queued.
    pub async fn run(mut self) -> std::io::Result<()> {
        let served = self.server.await;
        self.tasks.shutdown().await;
        let committer = self.committer;
        let last = tokio::task::spawn_blocking(move || committer.join());
        if tokio::time::timeout(LAST_COMMITS, last).await.is_err() {
            tracing::error!("the committer did not end in time");
        }
        served
    }

    /// What stops it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Handle {
    /// Fails readiness, lets requests in flight end for as long as `graceful`, then cuts the rest off.
    pub async fn stop(&self, graceful: Duration) {
        self.stopping.store(true, Ordering::Relaxed);
        if graceful.is_zero() || tokio::time::timeout(graceful, self.server.stop(true)).await.is_err() {
            self.server.stop(false).await;
        }
    }
}
