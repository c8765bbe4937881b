//! Liveness and readiness: in detail for operators, in one word for everybody else.

use std::sync::atomic::Ordering;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use shared::problem::{Code, Problem};

use crate::app::Gateway;

/// One thing that the gateway needs.
#[derive(Debug, Serialize)]
struct Dependency<'a> {
    name: &'a str,
    ready: bool,
}

/// `GET /livez`: the process answers.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

/// `GET /readyz` on the admin listener: every dependency by name.
pub async fn readyz(gateway: web::Data<Gateway>) -> HttpResponse {
    let redis = (gateway.stores.kind() == "redis").then_some(());
    let redis = match redis {
        Some(()) => Some(gateway.stores.health().await.is_ok()),
        None => None,
    };
    let ready = is_ready(&gateway);
    let dependencies: Vec<_> = required(&gateway)
        .chain(redis.map(|ready| Dependency { name: "redis", ready }))
        .chain([Dependency { name: "revocations", ready: gateway.revoked.is_live() }])
        .collect();
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let status = if gateway.is_draining() { "draining" } else if ready { "ready" } else { "starting" };
    answer.json(serde_json::json!({"status": status, "dependencies": dependencies}))
}

/// `/readyz` on the public listener: without detail.
pub fn public(gateway: &Gateway) -> Result<HttpResponse, Problem> {
    if gateway.is_draining() {
        return Err(Problem::new(Code::ShuttingDown));
    }
    if is_ready(gateway) {
        Ok(HttpResponse::Ok().json(serde_json::json!({"status": "ready"})))
    } else {
        Err(Problem::new(Code::UpstreamUnavailable).detail("The gateway is starting."))
    }
}

/// Ready from the moment when everything has been up at once. What is lost after that is reported, but it does not take
/// this instance out of rotation: all instances would go together, and the breaker answers for what is gone.
fn is_ready(gateway: &Gateway) -> bool {
    if gateway.is_draining() {
        return false;
    }
    if !gateway.started.load(Ordering::Acquire) && required(gateway).all(|dependency| dependency.ready) {
        gateway.started.store(true, Ordering::Release);
    }
    gateway.started.load(Ordering::Acquire)
}

fn required(gateway: &Gateway) -> impl Iterator<Item = Dependency<'_>> {
    let upstreams = gateway.health.states().map(|(name, ready)| Dependency { name, ready });
    upstreams.chain([Dependency { name: "jwks", ready: gateway.keys.current().is_some() }])
}
