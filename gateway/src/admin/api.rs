//! Views for operators, as JSON: breakers, versions, routes.

pub mod cache;
pub mod config;
pub mod gauges;
pub mod switches;

use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::{Value, json};
use shared::clock::rfc3339;
use shared::domain::Roles;

use crate::app::Gateway;
use crate::policy::version::VersionRule;
use crate::tables::auth_word;
use crate::upstream::Upstream;

/// `GET /admin/api/breakers`: each upstream's breaker.
pub async fn breakers(gateway: web::Data<Gateway>) -> HttpResponse {
    let (tables, now) = (gateway.tables.load_full(), Instant::now());
    let breakers = tables.upstreams.iter().map(|upstream| breaker_view(upstream, now));
    HttpResponse::Ok().json(json!({ "data": breakers.collect::<Vec<_>>() }))
}

fn breaker_view(upstream: &Upstream, now: Instant) -> Value {
    let seen = upstream.breaker.snapshot(now);
    json!({
        "upstream": upstream.name,
        "url": upstream.origin().as_str(),
        "state": seen.state,
        "forced": seen.forced,
        "trips": seen.trips,
        "probes_in_ms": seen.probes_in.map(millis),
    })
}

/// `GET /admin/api/upstreams`: each upstream's endpoints, breaker, limit and retry budget.
pub async fn upstreams(gateway: web::Data<Gateway>) -> HttpResponse {
    let (tables, now) = (gateway.tables.load_full(), Instant::now());
    let upstreams = tables.upstreams.iter().map(|upstream| {
        let decay = upstream.balancer.settings().decay;
        let endpoints = upstream.balancer.endpoints();
        let endpoints: Vec<_> = endpoints.iter().map(|endpoint| endpoint.view(now, decay)).collect();
        json!({
            "name": upstream.name,
            "breaker": upstream.breaker.snapshot(now).state,
            "concurrency": upstream.concurrency.view(),
            "retries_left": upstream.budget.left(),
            "endpoints": endpoints,
        })
    });
    HttpResponse::Ok().json(json!({ "data": upstreams.collect::<Vec<_>>() }))
}

/// `GET /admin/api/versions`: each version's life, and who still calls it when it is going to end.
pub async fn versions(gateway: web::Data<Gateway>) -> HttpResponse {
    let tables = gateway.tables.load_full();
    let versions = tables.versions.list().iter().map(|version| {
        let callers = gateway.metrics.callers(&version.name);
        let callers = callers
            .iter()
            .map(|(who, seen)| json!({"caller": who, "calls": seen.calls, "last_call_at": rfc3339(seen.last)}));
        json!({
            "name": version.name,
            "status": version.status(&gateway.clock),
            "deprecation": version.deprecation.map(rfc3339),
            "sunset": version.sunset.map(rfc3339),
            "successor": version.successor,
            "callers": callers.collect::<Vec<_>>(),
        })
    });
    HttpResponse::Ok().json(json!({ "data": versions.collect::<Vec<_>>() }))
}

/// `GET /admin/api/limits`: the policies, whether this instance decides alone, and the busiest keys.
pub async fn limits(gateway: web::Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(gateway.limiter.view(&gateway.tables.load().policies))
}

/// Whole milliseconds, rounded up: zero means now.
fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct RouteView<'a> {
    path: &'a str,
    methods: Vec<&'a str>,
    upstream: &'a str,
    auth: &'static str,
    roles: Roles,
    scopes: String,
    issuers: Vec<&'a str>,
    version: String,
    limits: Vec<&'a str>,
    timeout_ms: Option<u64>,
    body_bytes: u64,
    retries: u32,
    hedge_ms: Option<u64>,
    split: Vec<String>,
    mirror: Option<&'a str>,
    has_fallback: bool,
    cache: Option<String>,
}

/// `GET /admin/api/routes`: the compiled table.
pub async fn routes(gateway: web::Data<Gateway>) -> HttpResponse {
    let tables = gateway.tables.load_full();
    let routes = tables.routes.routes().iter().map(|route| RouteView {
        path: &route.pattern,
        methods: route.methods.iter().map(actix_web::http::Method::as_str).collect(),
        upstream: &route.upstream.name,
        auth: auth_word(route.auth),
        roles: route.roles,
        scopes: route.scopes.to_string(),
        issuers: tables.issuers.names(route.issuers),
        version: match route.version {
            VersionRule::All => "all".to_owned(),
            VersionRule::Only(id) => tables.versions.get(id).name.clone(),
            VersionRule::None => "none".to_owned(),
        },
        limits: route.limits.of_roles(None).policies.iter().map(|policy| policy.name.as_str()).collect(),
        timeout_ms: route.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        body_bytes: route.body_limit,
        retries: route.attempts,
        hedge_ms: route.hedge.map(millis),
        split: route
            .split
            .branches()
            .iter()
            .map(|branch| format!("{} {} %", branch.upstream.name, branch.percent))
            .collect(),
        mirror: route.mirror.as_ref().map(|mirror| mirror.upstream.name.as_str()),
        has_fallback: route.fallback.is_some(),
        cache: route.cache.as_ref().map(|settings| settings.describe()),
    });
    HttpResponse::Ok().json(json!({ "data": routes.collect::<Vec<_>>() }))
}
