//! Views for operators, as JSON: breakers, versions, routes.

pub mod cache;
pub mod config;
pub mod gauges;
mod routes;
pub mod switches;

use std::time::{Duration, Instant};

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};
use shared::clock::rfc3339;

pub use routes::routes;

use crate::app::Gateway;
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
