//! What the gateway counts, in the names that dashboards know.

mod authentication;
pub mod cache;
pub mod compression;
mod connections;
mod idempotency;
pub mod issuers;
pub mod lasting;
pub mod limits;
pub mod listeners;
mod refusals;
pub mod upstreams;
mod validation;

use std::collections::HashMap;
use std::fmt;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use shared::telemetry::metrics as exposition;
use time::OffsetDateTime;

pub use idempotency::{Event, KeyEvents};

use crate::app::Gateway;
use authentication::Authentications;

pub use connections::{ConnectionMetrics, Handshake, Slow};
pub use refusals::Refusals;
pub use validation::{Judged, Validations};

/// Upper bounds of the latency histogram, in seconds: from a cached 404 to a slow export.
const BUCKETS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Callers of deprecated versions that are remembered; later ones are only counted.
const MAX_CALLERS: usize = 1_000;

/// What a request is counted under.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route's pattern, or `none`.
    pub route: String,
    /// The API version.
    pub version: String,
    /// The status.
    pub status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    policy: String,
    decision: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExtraLabels {
    upstream: String,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: String,
}

/// A request's metrics, looked up once per worker and combination of labels.
#[derive(Clone, Debug)]
pub struct Handles {
    /// How many.
    pub requests: Counter,
    /// How long they took.
    pub duration: Histogram,
}

/// A rate-limit policy's counters.
#[derive(Clone, Debug)]
pub struct Decisions {
    /// There was room.
    pub allowed: Counter,
    /// There was none.
    pub refused: Counter,
}

/// Who called a deprecated version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeprecatedUse {
    /// How often.
    pub calls: u64,
    /// When last.
    pub last: OffsetDateTime,
}

/// All counters.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    duration: Family<RouteLabel, Histogram, fn() -> Histogram>,
    limits: Family<PolicyLabels, Counter>,
    degraded: Counter,
    hits: Counter,
    misses: Counter,
    /// Requests with a key.
    pub keys: KeyEvents,
    authentications: Authentications,
    deprecated: Family<VersionLabel, Counter>,
    callers: Mutex<HashMap<(String, String), DeprecatedUse>>,
    /// What becomes of tunnels.
    pub tunnels: lasting::Counters,
    /// And of event streams.
    pub event_streams: lasting::Counters,
    /// Who was refused, and what was answered in an upstream's stead.
    pub refused: Refusals,
    /// What compression does.
    pub compression: compression::Counters,
    /// What the response cache does.
    pub cache: cache::Counters,
    extra: Family<ExtraLabels, Counter>,
    /// What is counted below requests.
    pub connections: ConnectionMetrics,
    /// What was held against the document.
    pub validations: Validations,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("tollgate_gateway");
        let token_cache = Family::<ResultLabel, Counter>::default();
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            limits: Family::default(),
            degraded: Counter::default(),
            hits: token_cache.get_or_create_owned(&ResultLabel { result: "hit" }),
            misses: token_cache.get_or_create_owned(&ResultLabel { result: "miss" }),
            keys: KeyEvents::default(),
            authentications: Authentications::register(&mut registry),
            deprecated: Family::default(),
            callers: Mutex::default(),
            tunnels: lasting::Counters::register(&mut registry, "websockets", "WebSockets"),
            event_streams: lasting::Counters::register(&mut registry, "event_streams", "Event streams"),
            refused: Refusals::register(&mut registry),
            compression: compression::Counters::register(&mut registry),
            cache: cache::Counters::register(&mut registry),
            extra: Family::default(),
            connections: ConnectionMetrics::default(),
            validations: Validations::new(&mut registry),
            registry: Mutex::default(),
        };
        registry.register("requests", "Answers by route, API version and status", metrics.requests.clone());
        registry.register("request_duration_seconds", "Time to the answer's head, by route", metrics.duration.clone());
        registry.register("rate_limit_decisions", "Rate limit decisions by policy", metrics.limits.clone());
        registry.register(
            "rate_limit_degraded",
            "Decisions made without the shared counters",
            metrics.degraded.clone(),
        );
        registry.register("token_cache", "Look-ups of verified credentials", token_cache);
        registry.register(
            "deprecated_version_calls",
            "Calls of versions that are going to end",
            metrics.deprecated.clone(),
        );
        registry.register(
            "extra_calls",
            "Calls of upstreams beside the first of each exchange: retries, hedges, mirrored calls",
            metrics.extra.clone(),
        );
        metrics.keys.register(&mut registry);
        metrics.connections.register(&mut registry);
        *metrics.registry.lock() = registry;
        metrics
    }
}

impl Metrics {
    /// The counters of requests with these labels.
    #[must_use]
    pub fn handles(&self, labels: RequestLabels) -> Handles {
        let duration = self.duration.get_or_create_owned(&RouteLabel { route: labels.route.clone() });
        Handles { requests: self.requests.get_or_create_owned(&labels), duration }
    }

    /// The counters of a policy's decisions; a shadow's say what they would have been.
    #[must_use]
    pub fn rate_limit(&self, policy: &str, shadow: bool) -> Decisions {
        let [allowed, refused] = if shadow { ["shadow_allowed", "shadow_refused"] } else { ["allowed", "refused"] };
        let count = |decision| self.limits.get_or_create_owned(&PolicyLabels { policy: policy.to_owned(), decision });
        Decisions { allowed: count(allowed), refused: count(refused) }
    }

    /// A decision that had to be made without the shared counters.
    pub fn rate_limit_degraded(&self) {
        self.degraded.inc();
    }

    /// A look-up of a verified credential.
    pub fn token_cache(&self, hit: bool) {
        if hit {
            self.hits.inc()
        } else {
            self.misses.inc()
        };
    }

    /// A call that is made again.
    pub fn retry(&self, upstream: &str) {
        self.extra_call(upstream, "retry");
    }

    /// A second question while the first is not answered yet.
    pub fn hedge(&self, upstream: &str) {
        self.extra_call(upstream, "hedge");
    }

    /// A call that is shown to another upstream.
    pub fn mirrored(&self, upstream: &str) {
        self.extra_call(upstream, "mirror");
    }

    fn extra_call(&self, upstream: &str, kind: &'static str) {
        self.extra.get_or_create(&ExtraLabels { upstream: upstream.to_owned(), kind }).inc();
    }

    /// A call of a version that is going to end.
    pub fn deprecated_call(&self, version: &str, who: String, at: OffsetDateTime) {
        self.deprecated.get_or_create(&VersionLabel { version: version.to_owned() }).inc();
        let mut callers = self.callers.lock();
        let key = (version.to_owned(), who);
        if callers.len() < MAX_CALLERS || callers.contains_key(&key) {
            let seen = callers.entry(key).or_insert(DeprecatedUse { calls: 0, last: at });
            seen.calls += 1;
            seen.last = at;
        }
    }

    /// Who called a deprecated version: the caller (a user's id, or an address), how often, and when last.
    #[must_use]
    pub fn callers(&self, version: &str) -> Vec<(String, DeprecatedUse)> {
        let callers = self.callers.lock();
        let of_version = callers.iter().filter(|((called, _), _)| called == version);
        let mut seen: Vec<_> = of_version.map(|((_, who), seen)| (who.clone(), seen.clone())).collect();
        seen.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.calls));
        seen
    }

    /// Adds what is read from the gateway's state at each scrape.
    pub fn watch(&self, gauges: impl Collector) {
        self.registry.lock().register_collector(Box::new(gauges));
    }

    /// The text of a scrape.
    #[must_use]
    pub fn encode(&self) -> String {
        exposition::encode(&self.registry.lock())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(…)")
    }
}

/// Writes one number that was read from somewhere, as a gauge or as a counter.
pub fn encode_one(number: u64, kind: MetricType, encoder: MetricEncoder<'_>) -> fmt::Result {
    match kind {
        MetricType::Counter => ConstCounter::new(number).encode(encoder),
        MetricType::Gauge | MetricType::Histogram | MetricType::Info | MetricType::Unknown => {
            ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX)).encode(encoder)
        }
    }
}

/// `GET /metrics`
pub async fn scrape(gateway: web::Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, exposition::CONTENT_TYPE)).body(gateway.metrics.encode())
}
