//! The operators' listener: probes with detail, metrics, and views of what the gateway knows.

pub mod access;
pub mod api;
pub mod health;
pub mod metrics;
pub mod recent;

use std::sync::Arc;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ContentType, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route, guard};

use crate::app::Gateway;
use crate::policy::headers::NO_STORE;
use access::Access;
use api::{config, switches};

/// Everything that the admin listener answers, with the headers that every answer there has.
pub fn configure(gateway: Arc<Gateway>, access: Access) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        let standing = DefaultHeaders::new()
            .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .add((CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
            .add((REFERRER_POLICY, "no-referrer"))
            .add((CACHE_CONTROL, NO_STORE));
        let all = web::scope("")
            .wrap(from_fn(access::ask))
            .wrap(from_fn(access::judge))
            .wrap(standing)
            .wrap(from_fn(shared::http::context))
            .service(resource("/", reads().to(index)))
            .service(resource("/livez", reads().to(health::livez)))
            .service(resource("/readyz", reads().to(health::readyz)))
            .service(resource("/metrics", reads().to(metrics::scrape)))
            .service(resource("/admin/api/breakers", reads().to(api::breakers)))
            .service(
                resource("/admin/api/breakers/{upstream}", web::put().to(switches::breaker))
                    .default_service(shared::http::method_not_allowed("PUT")),
            )
            .service(
                resource("/admin/api/log", reads().to(switches::log))
                    .route(web::put().to(switches::set_log))
                    .default_service(shared::http::method_not_allowed("GET, HEAD, PUT")),
            )
            .service(resource("/admin/api/config", reads().to(config::effective)))
            .service(
                resource("/admin/api/reload", reads().to(config::state))
                    .route(web::post().to(config::reload))
                    .default_service(shared::http::method_not_allowed("GET, HEAD, POST")),
            )
            .service(
                web::resource("/admin/api/cache/purge")
                    .route(web::post().to(api::cache::purge))
                    .default_service(shared::http::method_not_allowed("POST")),
            )
            .service(resource("/admin/api/errors", reads().to(switches::errors)))
            .service(resource("/admin/api/limits", reads().to(api::limits)))
            .service(resource("/admin/api/upstreams", reads().to(api::upstreams)))
            .service(resource("/admin/api/versions", reads().to(api::versions)))
            .service(resource("/admin/api/routes", reads().to(api::routes)))
            .configure(shared::http::configure);
        app.app_data(web::Data::new(access))
            .app_data(web::Data::new(gateway.clock.clone()))
            .app_data(web::Data::from(gateway))
            .service(all);
    }
}

fn resource(path: &'static str, get: Route) -> Resource {
    web::resource(path).route(get).default_service(shared::http::method_not_allowed("GET, HEAD"))
}

/// GET, and HEAD with it.
fn reads() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// What this listener has, for an operator who opens it in a browser.
const INDEX: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Tollgate: operators</title>
<h1>Tollgate: operators</h1>
<ul>
<li><a href="/livez">/livez</a>: whether this process answers
<li><a href="/readyz">/readyz</a>: each dependency
<li><a href="/metrics">/metrics</a>: for Prometheus
<li><a href="/admin/api/breakers">/admin/api/breakers</a>: the circuit breaker of each upstream
<li><a href="/admin/api/errors">/admin/api/errors</a>: the last requests that failed
<li><a href="/admin/api/log">/admin/api/log</a>: what is logged
<li><a href="/admin/api/limits">/admin/api/limits</a>: rate limits, and the busiest keys
<li><a href="/admin/api/config">/admin/api/config</a>: the configuration in force, secrets hidden
<li><a href="/admin/api/reload">/admin/api/reload</a>: what became of the configuration; POST reads it anew
<li><a href="/admin/api/upstreams">/admin/api/upstreams</a>: their endpoints, limits and retry budgets
<li><a href="/admin/api/versions">/admin/api/versions</a>: API versions, and who still calls a deprecated one
<li><a href="/admin/api/routes">/admin/api/routes</a>: the compiled route table
</ul></html>
"#;

async fn index() -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::html()).body(INDEX)
}
