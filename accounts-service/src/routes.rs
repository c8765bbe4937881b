//! Every route, by version: the services serve the public paths themselves, so that a link of theirs is a public one.

use std::sync::atomic::Ordering;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, Scope, guard};
use shared::http::{BodyLimit, method_not_allowed};
use shared::problem::{Code, Problem};
use shared::telemetry::metrics;

use crate::app::App;
use crate::{accounts, entries, openapi, transfers};

/// Versions that are served, as path prefixes.
const VERSIONS: [&str; 2] = ["/api/v1", "/api/v2"];

/// The largest batch: 8,000 transfers of about 500 bytes.
const BATCH_BODY: BodyLimit = BodyLimit(4 * 1024 * 1024);

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
        .service(resource("/openapi.json", "GET, HEAD").route(read().to(document)));
    shared::http::configure(config);
}

/// The versions differ in how accounts are listed.
fn api(scope: Scope, list_accounts: Route) -> Scope {
    scope
        .service(
            resource("/accounts", "GET, HEAD, POST").route(list_accounts).route(web::post().to(accounts::http::open)),
        )
        .service(
            resource("/accounts/{id}", "GET, HEAD, PATCH")
                .route(read().to(accounts::http::get))
                .route(web::patch().to(accounts::http::patch)),
        )
        .service(resource("/accounts/{id}/freeze", "POST").route(web::post().to(accounts::http::freeze)))
        .service(resource("/accounts/{id}/unfreeze", "POST").route(web::post().to(accounts::http::unfreeze)))
        .service(resource("/accounts/{id}/close", "POST").route(web::post().to(accounts::http::close)))
        .service(resource("/accounts/{id}/entries", "GET, HEAD").route(read().to(entries::http::list)))
        .service(
            resource("/transfers", "GET, HEAD, POST")
                .route(read().to(transfers::http::list))
                .route(web::post().to(transfers::http::post)),
        )
        .service(
            resource("/transfers/batch", "POST")
                .app_data(BATCH_BODY)
                .route(web::post().to(transfers::http::post_batch)),
        )
        .service(resource("/transfers/{id}", "GET, HEAD").route(read().to(transfers::http::get)))
}

fn resource(path: &'static str, methods: &'static str) -> Resource {
    web::resource(path).default_service(method_not_allowed(methods))
}

/// GET and HEAD go together (RFC 9110, section 9.1); the server leaves the body out.
fn read() -> Route {
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
