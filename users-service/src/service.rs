//! From a configuration to a running service: the recipe.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App as WebApp, HttpServer, web};
use shared::auth::{AUDIENCE_USERS, SecretTooShort, Verifier};
use shared::clock::Clock;
use shared::store::Stores;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::api_keys::{self, Usage};
use crate::app::App;
use crate::audit::{self, Journal};
use crate::avatar::Avatars;
use crate::bootstrap::{BootstrapAdmin, BootstrapError, bootstrap};
use crate::config::Config;
use crate::db::{Database, Fault};
use crate::keys::{self, KeysError};
use crate::mail::{self, MailError, Mailer};
use crate::metrics::Metrics;
use crate::passwords::{HashError, Hasher};
use crate::revocations::Relay;
use crate::sessions::{QUEUE, Rotator};
use crate::throttle::{Devices, Proofs, Throttle, Windows};
use crate::tokens::Issuer;
use crate::users::UserCache;
use crate::{avatar, passwords, routes, sweeper, users};

/// What a service needs from outside besides its configuration.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where time comes from.
    pub clock: Clock,
    /// Counters and revocations.
    pub stores: Stores,
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what failed")]
pub enum StartError {
    #[error("database: {0}")]
    Database(#[from] Fault),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("identity.secret: {0}")]
    Secret(#[from] SecretTooShort),
    #[error("keys: {0}")]
    Keys(#[from] KeysError),
    #[error("hashing: {0}")]
    Hashing(#[from] HashError),
    #[error(transparent)]
    Mail(#[from] MailError),
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
}

/// How long a stop waits for mail that is on its way to a server.
const LAST_MAIL: Duration = Duration::from_secs(5);
/// How long the last security events may take to be written after the last answer.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A service that listens.
pub struct Service {
    /// Where.
    pub addr: SocketAddr,
    /// The administrator made by this start, when their password was generated.
    pub bootstrap: Option<BootstrapAdmin>,
    server: Server,
    handle: Handle,
    tasks: JoinSet<()>,
    pub(crate) journal: Journal,
    scribe: JoinHandle<()>,
    mail: JoinHandle<()>,
    pub(crate) app: web::Data<App>,
}

/// Stops a service from elsewhere.
#[derive(Clone, Debug)]
pub struct Handle {
    server: ServerHandle,
    stopping: Arc<AtomicBool>,
}

/// Connects, migrates if configured so, loads or makes keys and administrator, starts the tasks and listens.
///
/// # Errors
/// What kept it from starting.
pub async fn build(config: Config, deps: Deps, listener: TcpListener) -> Result<Service, StartError> {
    let Deps { clock, stores } = deps;
    let verifier = web::Data::new(Verifier::new(&config.identity.secret, AUDIENCE_USERS, clock.clone())?);
    let database = Database::connect(&config.database).await?;
    database.prepare(config.database.migrate_on_start).await?;
    users::fill_looks(&database).await?;
    let keys = keys::load_or_create(&config, &database, &clock).await?;
    let hasher = Hasher::start(&config.hashing)?;
    let bootstrap = bootstrap(&config, &database, &hasher, &clock).await?;
    let cache = UserCache::new(&config.cache, &stores, database.kind(), &clock);
    let database = database.caching(cache.clone());
    let relay = Relay::new(database.clone(), stores.clone(), clock.clone());
    let (journal, scribe) = Journal::open(&config.audit, database.clone(), clock.clone(), keys.audit.clone());
    let windows = Windows::new(&config.throttle, stores.counters.clone(), clock.clone());
    let metrics = Metrics::new(database.tally()).with(|registry| {
        hasher.register(registry);
        windows.register(registry);
    });
    let idle = config.sessions.idle.get();
    let (rotator, drains) = Rotator::open(QUEUE, database.clone(), clock.clone(), idle, metrics.refreshes.clone());
    let stopping = Arc::new(AtomicBool::new(false));
    let app = web::Data::new(App {
        issuer: Issuer::new(&config.tokens, keys.signing.clone(), clock.clone()),
        proofs: Proofs::new(&config, stores.counters.clone(), clock.clone()),
        throttle: Throttle::new(&config.throttle, stores.counters.clone(), clock.clone()),
        otp_limit: Throttle::of_codes(&config, stores.counters.clone(), clock.clone()),
        mail_limit: Throttle::of_addresses(&config, stores.counters.clone(), clock.clone()),
        mailing_limit: Throttle::of_networks(&config, stores.counters.clone(), clock.clone()),
        mailer: Mailer::new(&config.mail)?,
        avatars: Avatars::default(),
        usage: Usage::default(),
        devices: Devices::new(keys.devices.clone(), config.throttle.device_memory.get(), clock.clone()),
        windows,
        rotator,
        metrics,
        stopping: Arc::clone(&stopping),
        relay: relay.clone(),
        journal: journal.clone(),
        cache: cache.clone(),
        database,
        config,
        clock,
        stores,
        keys,
        hasher,
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(relay.run());
    tasks.spawn(drains.run());
    tasks.spawn(cache.run());
    tasks.spawn(app.keys.signing.clone().run());
    tasks.spawn(app.keys.id.clone().run());
    let scribe = tokio::spawn(scribe.run());
    tasks.spawn(sweeper::run(app.clone()));
    tasks.spawn(passwords::watch(app.clone()));
    tasks.spawn(avatar::run(app.clone()));
    tasks.spawn(api_keys::run(app.clone()));
    let mail = tokio::spawn(mail::run(app.clone()));
    let addr = listener.local_addr()?;
    let server = serve(&app, verifier, listener)?;
    let handle = Handle { server: server.handle(), stopping };
    Ok(Service { addr, bootstrap, server, handle, tasks, journal, scribe, mail, app })
}

fn serve(app: &web::Data<App>, verifier: web::Data<Verifier>, listener: TcpListener) -> std::io::Result<Server> {
    let workers = match app.config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        workers => workers,
    };
    let grace = app.config.server.shutdown_grace.get().as_secs();
    let (app, clock) = (app.clone(), web::Data::new(app.clock.clone()));
    let server = HttpServer::new(move || {
        WebApp::new()
            .app_data(app.clone())
            .app_data(clock.clone())
            .app_data(verifier.clone())
            .configure(routes::configure)
            .wrap(from_fn(audit::refusals))
            .wrap(from_fn(shared::http::context))
    });
    Ok(server.workers(workers).shutdown_timeout(grace).disable_signals().listen(listener)?.run())
}

impl Service {
    /// Serves until it is stopped, then ends the tasks, writes the last security events and closes the database.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(mut self) -> std::io::Result<()> {
        let served = self.server.await;
        self.app.stopping.store(true, Ordering::Relaxed);
        self.app.mailer.wake();
        // Cut off, a mail that is just being taken would be sent again.
        if timeout(LAST_MAIL, &mut self.mail).await.is_err() {
            self.mail.abort();
        }
        self.tasks.shutdown().await;
        // A use that is not on record costs nobody anything: not worth a longer stop.
        let _ = timeout(LAST_WORDS, self.app.usage.write(&self.app)).await;
        self.journal.close();
        if timeout(LAST_WORDS, &mut self.scribe).await.is_err() {
            self.scribe.abort();
        }
        self.app.database.close().await;
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
