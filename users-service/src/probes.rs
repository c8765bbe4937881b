//! `/livez`, `/readyz` and `/metrics`.

use std::sync::atomic::Ordering;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use serde_json::json;
use shared::problem::{Code, Problem};
use shared::telemetry::metrics;

use crate::app::App;

/// The process runs.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "ok"}))
}

/// It can serve: the database answers, and there is a key to sign with. Redis is reported, but it can serve without.
pub async fn ready(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if app.stopping.load(Ordering::Relaxed) {
        return Err(Problem::new(Code::ShuttingDown));
    }
    app.database.ping().await.map_err(|error| Problem::unavailable(Code::DatabaseUnavailable, error))?;
    if app.keys.signing.signer().is_none() {
        return Err(Problem::unavailable(Code::KeysUnavailable, "there is no active signing key"));
    }
    let store = if app.stores.health().await.is_ok() { "ok" } else { "unavailable" };
    let dependencies = json!({"database": "ok", "signing_keys": "ok", app.stores.kind(): store});
    Ok(HttpResponse::Ok().json(json!({"status": "ok", "dependencies": dependencies})))
}

/// A Prometheus scrape.
pub async fn scrape(app: web::Data<App>) -> HttpResponse {
    app.metrics.keys.show(&app.keys.signing, app.clock.now_micros());
    let body = app.metrics.scrape(app.hasher.waiting(), (app.journal.queued(), app.journal.is_stuck()));
    HttpResponse::Ok().insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE)).body(body)
}
