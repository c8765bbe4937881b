//! From a configuration to a gateway that runs: the recipe, the running thing, and the handle that stops it.

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::dev::{Server, ServerHandle};
use actix_web::web::ServiceConfig;
use arc_swap::ArcSwap;
use shared::auth::{SecretTooShort, Signer};
use shared::clock::Clock;
use shared::config::Dur;
use shared::store::{Follower, RevocationList, Stores};
use shared::telemetry::LogLevel;
use tokio::task::JoinHandle;

use crate::admin;
use crate::admin::access::Access;
use crate::admin::api::gauges::Gauges;
use crate::admin::metrics::Metrics;
use crate::admin::metrics::listeners::Listeners;
use crate::admin::recent::Recent;
use crate::app::{self, Gateway, Worker};
use crate::config::{self, Config};
use crate::docs::Documents;
use crate::listener::{self, BodyPatience, Door, Kind, Manners, Patience, Words, redirect};
use crate::policy::authenticate::{self, Authenticator};
use crate::policy::cache::ResponseCache;
use crate::policy::idempotency::Idempotency;
use crate::policy::in_flight::InFlight;
use crate::policy::rate_limit::RateLimiter;
use crate::reload::{self, Reloads, Source};
use crate::tables::{CompileError, Tables};
use crate::tls::{Tls, TlsError};
use crate::upstream::client::Clients;
use crate::upstream::client::Pool;
use crate::upstream::{health, resolve};

/// How often a stop looks whether requests whose clients have left are over.
const UNATTENDED: Duration = Duration::from_millis(20);

/// What is made outside and handed in.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Time.
    pub clock: Clock,
    /// Counters and revocations.
    pub stores: Stores,
    /// Which events are logged.
    pub log: LogLevel,
    /// Where the configuration is read anew from.
    pub source: Source,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// `identity.secret` is too short.
    #[error("identity.secret: {0}")]
    Secret(#[from] SecretTooShort),
    /// No HTTP client can be made.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// No TLS can be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener cannot be used.
    #[error("a listener: {0}")]
    Listen(#[from] std::io::Error),
}

/// A gateway with its listeners open.
#[must_use = "a service answers only while it runs"]
pub struct Service {
    /// Where clients come in.
    pub addr: SocketAddr,
    /// Where operators come in.
    pub admin_addr: SocketAddr,
    /// Where clients are told to come over TLS.
    pub redirect_addr: Option<SocketAddr>,
    public: Server,
    admin: Server,
    redirect: Option<Server>,
    handle: Handle,
    _background: Background,
    _follower: Follower,
}

/// Stops a gateway from elsewhere.
#[derive(Clone, Debug)]
pub struct Handle {
    public: ServerHandle,
    admin: ServerHandle,
    redirect: Option<ServerHandle>,
    pub(crate) gateway: Arc<Gateway>,
    delay: Duration,
}

/// Tasks that end with the service.
struct Background(Vec<JoinHandle<()>>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Compiles the configuration, opens the listeners and starts what runs in the background. Call it on the runtime that
/// lives as long as the service.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn build(
    config: Config,
    deps: Deps,
    public: TcpListener,
    admin_listener: TcpListener,
) -> Result<Service, StartError> {
    let (addr, admin_addr) = (public.local_addr()?, admin_listener.local_addr()?);
    let revoked = Arc::new(RevocationList::new(deps.clock.clone()));
    let follower = deps.stores.revocations.follow(Arc::clone(&revoked));
    let background_pool = Clients::new(&config).pool()?;
    let gateway = gateway(&config, deps, revoked)?;
    gateway.metrics.watch(Gauges(Arc::downgrade(&gateway)));
    gateway.metrics.watch(Listeners(Arc::downgrade(&gateway)));
    let background = background(&gateway, background_pool);
    let public = public_server(&config, Arc::clone(&gateway), public)?;
    let admin = admin_server(&config, Arc::clone(&gateway), admin_listener)?;
    let (redirect_addr, redirect) = redirect_server(&config, Arc::clone(&gateway))?.unzip();
    let handle = Handle {
        public: public.handle(),
        admin: admin.handle(),
        redirect: redirect.as_ref().map(Server::handle),
        gateway,
        delay: config.server.shutdown_delay.get(),
    };
    Ok(Service {
        addr,
        admin_addr,
        redirect_addr,
        public,
        admin,
        redirect,
        handle,
        _background: background,
        _follower: follower,
    })
}

fn gateway(config: &Config, deps: Deps, revoked: Arc<RevocationList>) -> Result<Arc<Gateway>, StartError> {
    let Deps { clock, stores, log, source } = deps;
    let tables = Tables::compile(config, Instant::now())?;
    let metrics = Metrics::default();
    Ok(Arc::new(Gateway {
        authenticator: Authenticator::new(Arc::clone(&revoked), clock.clone()),
        revoked,
        limiter: RateLimiter::new(stores.counters.clone()),
        idempotency: Arc::new(Idempotency::new(stores.idempotency.clone(), metrics.keys.clone())),
        responses: ResponseCache::new(
            stores.tagged("responses", config.cache.memory_bytes),
            clock.clone(),
            metrics.cache.clone(),
        ),
        in_flight: InFlight::new(),
        strangers: Arc::default(),
        signer: Signer::new(&config.identity.secret, clock.clone())?,
        tls: Arc::new(Tls::new(&config.tls, clock.clone(), metrics.connections.clone())?),
        connections: Arc::default(),
        metrics,
        documents: Documents::new(config.documents.enabled, config.documents.refresh.get()),
        tables: ArcSwap::from_pointee(tables),
        recent: Recent::default(),
        log,
        reloads: Reloads::new(source, config, &clock),
        stores,
        clock,
        tunnels: Arc::default(),
        draining: AtomicBool::new(false),
        closing: AtomicBool::new(false),
        started: AtomicBool::new(false),
    }))
}

fn background(gateway: &Arc<Gateway>, pool: Pool) -> Background {
    let client = pool.plain().clone();
    let (probed, resolved, documents) = (Arc::clone(gateway), Arc::clone(gateway), Arc::clone(gateway));
    let (reloaded, issuers, keys) = (Arc::clone(gateway), Arc::clone(gateway), client.clone());
    let (tls, indebted) = (Arc::clone(&gateway.tls), Arc::clone(gateway));
    Background(vec![
        tokio::spawn(tls.watch()),
        tokio::spawn(async move { indebted.responses.pay().await }),
        tokio::spawn(async move {
            let round = || {
                let tables = probed.tables.load();
                health::Round { upstreams: tables.upstreams.clone(), settings: tables.health }
            };
            health::run(&pool, round, || probed.documents.refresh()).await;
        }),
        tokio::spawn(async move { reload::watch(reloaded).await }),
        tokio::spawn(async move { authenticate::tend(|| Arc::clone(&issuers.tables.load().issuers), &keys).await }),
        tokio::spawn(async move { resolve::run(|| resolved.tables.load().upstreams.clone()).await }),
        tokio::spawn(async move {
            if documents.documents.is_on() {
                documents.documents.run(&client, || documents.tables.load_full()).await;
            }
        }),
    ])
}

fn public_server(config: &Config, gateway: Arc<Gateway>, socket: TcpListener) -> Result<Server, StartError> {
    let (clients, tokens) = (Clients::new(config), config.authentication.cache_capacity);
    let door = door(config, &gateway, Kind::Public);
    // Runs on each worker's own thread, where its client's connections shall live.
    let configure = move |app: &mut ServiceConfig| match Worker::new(Arc::clone(&gateway), &clients, tokens) {
        Ok(worker) => app::configure(Rc::new(worker))(app),
        // `build` has made the same client already; without one this worker answers 404 and says why.
        Err(error) => tracing::error!(%error, "a worker has no HTTP client"),
    };
    Ok(listener::serve(&config.server, door, socket, configure)?)
}

fn admin_server(config: &Config, gateway: Arc<Gateway>, socket: TcpListener) -> Result<Server, StartError> {
    let server =
        config::Server { workers: 1, shutdown_grace: Dur::from(Duration::from_secs(1)), ..config.server.clone() };
    let access = Access::new(config.admin.token.clone(), socket.local_addr()?.ip().is_loopback());
    let door = door(config, &gateway, Kind::Admin { tls: config.tls.admin });
    let configure = move |app: &mut ServiceConfig| admin::configure(Arc::clone(&gateway), access.clone())(app);
    Ok(listener::serve(&server, door, socket, configure)?)
}

/// The listener that leads plain HTTP to TLS, where one is wanted.
fn redirect_server(config: &Config, gateway: Arc<Gateway>) -> Result<Option<(SocketAddr, Server)>, StartError> {
    let tls = &config.tls;
    if tls.redirect_listen.is_empty() {
        return Ok(None);
    }
    let socket = TcpListener::bind(&tls.redirect_listen)?;
    let (address, port) = (socket.local_addr()?, tls.redirect_port);
    let server = config::Server { workers: 1, ..config.server.clone() };
    let door = door(config, &gateway, Kind::Redirect);
    let configure = move |app: &mut ServiceConfig| redirect::configure(Arc::clone(&gateway), port)(app);
    Ok(Some((address, listener::serve(&server, door, socket, configure)?)))
}

fn door(config: &Config, gateway: &Arc<Gateway>, kind: Kind) -> Door {
    let server = &config.server;
    let patience = Patience {
        head: server.header_timeout.get(),
        body: BodyPatience { timeout: server.body_timeout.get(), rate: server.body_rate },
        write: server.write_timeout.get(),
    };
    let (in_force, limits) = (Arc::clone(gateway), Arc::clone(gateway));
    let words = Words {
        headers: Box::new(move || in_force.tables.load().standing_headers()),
        url_bytes: Box::new(move || limits.tables.load().limits.url_bytes),
    };
    let metrics = gateway.metrics.connections.clone();
    let manners = Manners::new(gateway.clock.clone(), words, patience, metrics);
    Door::new(Arc::clone(gateway), manners, kind)
}

impl Service {
    /// What stops it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// When a listener breaks.
    pub async fn run(self) -> std::io::Result<()> {
        let redirect = async { if let Some(redirect) = self.redirect { redirect.await } else { Ok(()) } };
        let (public, admin, redirect) = tokio::join!(
            async {
                let ended = self.public.await;
                self.handle.stop_others(false).await;
                ended
            },
            self.admin,
            redirect
        );
        public.and(admin).and(redirect)
    }
}

impl Handle {
    /// Fails readiness, lets requests in flight end for at most `grace`, and closes.
    pub async fn stop(&self, grace: Duration) {
        self.gateway.draining.store(true, Ordering::Release);
        tokio::time::sleep(self.delay).await;
        self.gateway.closing.store(true, Ordering::Release);
        let stopped = async {
            // No connection waits for these any more, and their worker would end with its last connection.
            while self.gateway.idempotency.unattended() > 0 {
                tokio::time::sleep(UNATTENDED).await;
            }
            self.public.stop(true).await;
        };
        if tokio::time::timeout(grace, stopped).await.is_err() {
            self.public.stop(false).await;
        }
        self.stop_others(true).await;
    }

    async fn stop_others(&self, graceful: bool) {
        if let Some(redirect) = &self.redirect {
            redirect.stop(graceful).await;
        }
        self.admin.stop(graceful).await;
    }
}
