//! What all requests share, what each worker has of its own, and the actix app that hands them to the pipeline.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse, fn_service};
use actix_web::http::StatusCode;
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use shared::auth::Signer;
use shared::clock::{Clock, rfc3339};
use shared::problem::{Code, Problem};
use shared::store::{RevocationList, Stores};
use shared::telemetry::{LogLevel, trace};
use tracing::Instrument;

use crate::admin::metrics::{Handles, Metrics, RequestLabels};
use crate::admin::recent::{Failure, Recent};
use crate::config::AccessLog;
use crate::docs::Documents;
use crate::exchange::{Counted, Exchange};
use crate::listener::Connections;
use crate::pipeline;
use crate::policy::authenticate::{Authenticator, Means, Stranger, Strangers, TokenCache};
use crate::policy::cache::ResponseCache;
use crate::policy::headers::REQUEST_ID;
use crate::policy::idempotency::{Hold, Idempotency};
use crate::policy::in_flight::InFlight;
use crate::policy::lasting::Lasting;
use crate::policy::rate_limit::{Caller, RateLimiter};
use crate::policy::version::VersionId;
use crate::policy::websocket::Tunnels;
use crate::reload::Reloads;
use crate::tables::Tables;
use crate::tls::Tls;
use crate::upstream::client::{Clients, Pool};
use crate::upstream::send::Tools;

/// What all workers share. There are no globals beside it.
#[derive(Debug)]
pub struct Gateway {
    /// The compiled configuration; swapped whole, read by each request once.
    pub tables: ArcSwap<Tables>,
    /// Time.
    pub clock: Clock,
    /// Who calls.
    pub authenticator: Authenticator,
    /// What was revoked.
    pub revoked: Arc<RevocationList>,
    /// Who may how often.
    pub limiter: RateLimiter,
    /// What was asked under which key.
    pub idempotency: Arc<Idempotency>,
    /// What is presented to clients that come over TLS.
    pub tls: Arc<Tls>,
    /// How many clients are connected.
    pub connections: Arc<Connections>,
    /// Answers that are given again.
    pub responses: ResponseCache,
    /// How many may be inside.
    pub in_flight: Arc<InFlight>,
    /// Those about whom somebody has to be asked.
    pub strangers: Arc<Strangers>,
    /// What vouches for callers.
    pub signer: Signer,
    /// What is counted.
    pub metrics: Metrics,
    /// The merged API documents.
    pub documents: Documents,
    /// The last requests that failed.
    pub recent: Recent,
    /// Which events are logged.
    pub log: LogLevel,
    /// The configuration, and how it is taken anew.
    pub reloads: Reloads,
    /// Shared state.
    pub stores: Stores,
    /// The WebSockets that are open.
    pub tunnels: Arc<Tunnels>,
    /// Whether a stop has been asked for.
    pub draining: AtomicBool,
    /// Whether what lasts is to end: a load balancer has had its time.
    pub closing: AtomicBool,
    /// Whether everything was up at once since the start.
    pub started: AtomicBool,
}

impl Gateway {
    /// Whether a stop has been asked for.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether what lasts is to end.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// What tells metrics apart: row, version, status.
type Labels = (Option<usize>, VersionId, u16);

/// Metrics by what tells them apart, under one generation of the configuration: rows and versions are counted anew in the
/// next.
#[derive(Default)]
struct HandleCache {
    generation: u64,
    handles: HashMap<Labels, Handles>,
}

/// What one worker thread has of its own, so that requests share no lock.
pub struct Worker {
    /// What all share.
    pub gateway: Arc<Gateway>,
    /// Connections to the upstreams.
    pub pool: Pool,
    /// Verified credentials.
    pub tokens: Rc<RefCell<TokenCache>>,
    /// Tunnels and event streams.
    pub lasting: Rc<Lasting>,
    handles: RefCell<HandleCache>,
}

impl Worker {
    /// On the worker's own thread.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(gateway: Arc<Gateway>, clients: &Clients, tokens: usize) -> Result<Self, reqwest::Error> {
        let (pool, tokens) = (clients.pool()?, Rc::new(RefCell::new(TokenCache::new(tokens))));
        Ok(Self {
            lasting: Lasting::new(Arc::clone(&gateway), pool.plain().clone(), Rc::clone(&tokens)),
            gateway,
            pool,
            tokens,
            handles: RefCell::default(),
        })
    }

    /// What calls are made with.
    #[must_use]
    pub fn tools(&self) -> Tools<'_> {
        Tools { pool: &self.pool, signer: &self.gateway.signer, metrics: &self.gateway.metrics }
    }

    /// What this worker has for verifying the credential of a request.
    #[must_use]
    pub fn means<'a>(&'a self, exchange: &'a Exchange<'_>) -> Means<'a> {
        let (gateway, tables) = (&self.gateway, exchange.tables);
        let stranger = Stranger {
            all: &gateway.strangers,
            places: tables.places.unknown(),
            limiter: &gateway.limiter,
            failures: tables.unrouted.of(None),
            caller: Caller { client: exchange.client, principal: None, headers: exchange.request.headers() },
            metrics: &gateway.metrics,
            inquiry: &exchange.inquiry,
        };
        let (signer, metrics) = (&gateway.signer, &gateway.metrics);
        Means { tokens: &self.tokens, client: self.pool.plain(), signer, metrics, stranger: Some(stranger) }
    }

    /// Counts an answer, and logs it where that is wanted.
    pub fn answered(&self, exchange: &Exchange<'_>, status: StatusCode, took: Duration) {
        let index = exchange.route.as_ref().map(|route| route.index);
        let mut cache = self.handles.borrow_mut();
        if cache.generation != exchange.tables.generation {
            *cache = HandleCache { generation: exchange.tables.generation, handles: HashMap::new() };
        }
        let handles = cache.handles.entry((index, exchange.version, status.as_u16())).or_insert_with(|| {
            self.gateway.metrics.handles(RequestLabels {
                route: exchange.route.as_ref().map_or("none", |route| &route.pattern).to_owned(),
                version: exchange.tables.versions.get(exchange.version).name.clone(),
                status: status.as_u16(),
            })
        });
        handles.requests.inc();
        handles.duration.observe(took.as_secs_f64());
        if status.is_server_error() && !matches!(exchange.limits, Counted::Never) {
            self.gateway.recent.add(failure(exchange, status, took));
        }
        let wanted = match exchange.tables.access_log {
            AccessLog::All => true,
            // A probe that fails says so to whoever probes.
            AccessLog::Failures => status.is_server_error() && !matches!(exchange.limits, Counted::Never),
            AccessLog::None => false,
        };
        if wanted {
            log(exchange, status, took);
        }
    }
}

fn failure(exchange: &Exchange<'_>, status: StatusCode, took: Duration) -> Failure {
    let (head, route) = (exchange.request.head(), exchange.route.as_ref());
    Failure {
        at: rfc3339(exchange.clock.now()),
        request_id: exchange.trace.id().to_owned(),
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        route: route.map(|route| route.pattern.clone()),
        upstream: exchange.upstream().map(|upstream| upstream.name.clone()),
        status: status.as_u16(),
        code: exchange.code.map(Code::as_str),
        took_micros: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
    }
}

fn log(exchange: &Exchange<'_>, status: StatusCode, took: Duration) {
    let head = exchange.request.head();
    tracing::info!(
        method = %head.method,
        path = head.uri.path(),
        status = status.as_u16(),
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        client = %exchange.client.ip,
        request_id = exchange.trace.id(),
        trace_id = exchange.trace.trace_id(),
        route = exchange.route.as_ref().map(|route| route.pattern.as_str()),
        upstream = exchange.upstream().map(|upstream| upstream.name.as_str()),
        "request"
    );
}

/// Gives everything that comes in to the pipeline: the route table is ours, not actix's.
pub fn configure(worker: Rc<Worker>) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.default_service(fn_service(move |request: ServiceRequest| {
            let worker = Rc::clone(&worker);
            async move {
                let (request, payload) = request.into_parts();
                let answer = match Hold::wanted(&worker.gateway, &request) {
                    None => answer(&worker, &request, payload).await,
                    Some(hold) => Box::pin(in_a_task(hold, worker, request.clone(), payload)).await,
                };
                Ok(ServiceResponse::new(request, answer))
            }
        }));
    }
}

/// For a request that may have to be carried to its end without its client.
async fn in_a_task(hold: Hold, worker: Rc<Worker>, request: HttpRequest, payload: Payload) -> HttpResponse<BoxBody> {
    let served = hold.run(async move { answer(&worker, &request, payload).await }).await;
    served.unwrap_or_else(|| Problem::internal("a request's task ended without an answer").error_response())
}

async fn answer(worker: &Rc<Worker>, request: &HttpRequest, payload: Payload) -> HttpResponse<BoxBody> {
    // Boxed once, here: on its way through the layers around it the whole future would be copied at each.
    let served = AssertUnwindSafe(Box::pin(pipeline::serve(worker, request, payload))).catch_unwind();
    let served = if trace::is_exporting() {
        let head = request.head();
        let id = head.headers.get(shared::wire::REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let span = trace::request_span(head.method.as_str(), head.uri.path(), id, |name| {
            head.headers.get(name).and_then(|value| value.to_str().ok())
        });
        served.instrument(span).await
    } else {
        served.await
    };
    served.unwrap_or_else(|_panic| {
        let tables = worker.gateway.tables.load_full();
        let exchange = Exchange::begin(request, &tables, &worker.gateway);
        let mut answer = Problem::internal("the pipeline panicked").response(&exchange.problem_context());
        tables
            .standing_headers()
            .iter()
            .for_each(|(name, value)| drop(answer.headers_mut().insert(name.clone(), value.clone())));
        answer.headers_mut().insert(REQUEST_ID, exchange.trace.request_id.clone());
        answer
    })
}
