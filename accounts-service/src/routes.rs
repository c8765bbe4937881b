//! Every route, by version: the services serve the public paths themselves, so that a link of theirs is a public one.

use std::sync::atomic::Ordering;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, Scope, guard};
use shared::http::method_not_allowed;
use shared::problem::{Code, Problem};
use shared::telemetry::metrics;

use crate::app::App;
use crate::{
    accounts, entries, events, exchange, history, limits, openapi, proof, receipts, standing, statements, transfers,
};

/// Versions that are served, as path prefixes.
const VERSIONS: [&str; 2] = ["/api/v1", "/api/v2"];

/// The version prefix that the request came in by, for links in its answer.
#[must_use]
pub fn base(request: &HttpRequest) -> &'static str {
    VERSIONS.into_iter().find(|version| request.path().starts_with(version)).unwrap_or("/api/v1")
}

/// Registers everything.
pub fn configure(config: &mut ServiceConfig) {
    let [version_1, version_2] = VERSIONS.map(web::scope);
    config
        .service(api(version_1, read().to(accounts::http::list)))
        .service(api(version_2, read().to(accounts::http::list_by_cursor)))
        .service(resource("/livez", "GET, HEAD").route(read().to(live)))
        .service(resource("/readyz", "GET, HEAD").route(read().to(ready)))
        .service(resource("/metrics", "GET, HEAD").route(read().to(scrape)))
        .service(resource("/.well-known/receipt-keys.json", "GET, HEAD").route(read().to(receipts::http::jwks)))
        .service(resource("/openapi.json", "GET, HEAD").route(read().to(document)));
    shared::http::configure(config);
}

/// The versions differ in how accounts are listed.
fn api(scope: Scope, list_accounts: Route) -> Scope {
    let scope = accounts::http::routes(scope, list_accounts);
    let scope = limits::http::routes(scope);
    let scope = entries::http::routes(scope);
    let scope = exchange::http::routes(scope);
    let scope = history::http::routes(scope);
    let scope = events::http::routes(scope);
    let scope = proof::http::routes(scope);
    let scope = statements::http::routes(scope);
    let scope = standing::http::routes(scope);
    let scope = transfers::settlement::http::routes(scope);
    transfers::http::routes(scope)
}

/// A resource of a feature, with the methods that it has.
pub(crate) fn resource(path: &'static str, methods: &'static str) -> Resource {
    web::resource(path).default_service(method_not_allowed(methods))
}

/// GET and HEAD go together (RFC 9110, section 9.1); the server leaves the body out.
pub(crate) fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

async fn ready(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    if app.stopping.load(Ordering::Relaxed) {
        return Err(Problem::new(Code::ShuttingDown));
    }
    if !app.engine.is_alive() {
        return Err(Problem::unavailable(Code::ShuttingDown, "the committer has ended"));
    }
    app.db.ping().await.map_err(|error| Problem::unavailable(Code::DatabaseUnavailable, error))?;
    Ok(HttpResponse::Ok().json(serde_json::json!({"status": "ok", "dependencies": {"database": "ok"}})))
}

async fn scrape(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, metrics::CONTENT_TYPE)).body(metrics::encode(&app.registry.lock()))
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(openapi::document())
}
