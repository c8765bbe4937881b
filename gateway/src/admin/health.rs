//! Liveness and readiness: in detail for operators, in one word for everybody else.

use std::sync::atomic::Ordering;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use shared::problem::{Code, Problem};

use crate::app::Gateway;
use crate::policy::headers::NO_STORE;
use crate::tables::Tables;
use crate::upstream::health::states;

/// One thing that the gateway needs.
#[derive(Debug, Serialize)]
struct Dependency<'a> {
    name: &'a str,
    ready: bool,
}

/// `GET /livez`: the process answers.
pub async fn livez() -> HttpResponse {
    word("ok")
}

/// A status in one word, which no cache may keep.
pub fn word(status: &str) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, NO_STORE)).json(serde_json::json!({ "status": status }))
}

/// `GET /readyz` on the admin listener: every dependency by name.
pub async fn readyz(gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    let redis = gateway.stores.health().await.is_ok();
    let ready = is_ready(&gateway);
    let tables = gateway.tables.load_full();
    let dependencies: Vec<_> = required(&tables)
        .chain((gateway.stores.kind() == "redis").then_some(Dependency { name: "redis", ready: redis }))
        .chain([Dependency { name: "revocations", ready: gateway.revoked.is_live() }])
        .collect();
    let dependencies = serde_json::json!(dependencies);
    if ready {
        return Ok(HttpResponse::Ok().json(serde_json::json!({"status": "ready", "dependencies": dependencies})));
    }
    Err(not_ready(&gateway).extension("dependencies", dependencies))
}

fn not_ready(gateway: &Gateway) -> Problem {
    if gateway.is_draining() {
        Problem::new(Code::ShuttingDown)
    } else {
        Problem::new(Code::UpstreamUnavailable).detail("The gateway is starting.")
    }
}

/// `/readyz` on the public listener: without detail.
pub fn public(gateway: &Gateway) -> Result<HttpResponse, Problem> {
    is_ready(gateway).then(|| word("ready")).ok_or_else(|| not_ready(gateway))
}

/// Ready from the moment when everything has been up at once. What is lost after that is reported, but it does not take
/// this instance out of rotation: all instances would go together, and the breaker answers for what is gone.
fn is_ready(gateway: &Gateway) -> bool {
    if gateway.is_draining() {
        return false;
    }
    if !gateway.started.load(Ordering::Acquire) && required(&gateway.tables.load()).all(|d| d.ready) {
        gateway.started.store(true, Ordering::Release);
    }
    gateway.started.load(Ordering::Acquire)
}

fn required(tables: &Tables) -> impl Iterator<Item = Dependency<'_>> {
    let upstreams = states(&tables.upstreams).map(|(name, ready)| Dependency { name, ready });
    upstreams.chain([Dependency { name: "jwks", ready: tables.issuers.is_ready() }])
}
