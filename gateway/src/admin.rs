//! The operators' listener: probes with detail, metrics, and views of what the gateway knows.

pub mod api;
pub mod health;
pub mod metrics;

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::{self, ServiceConfig};

use crate::app::Gateway;

/// Everything that the admin listener answers.
pub fn configure(gateway: Arc<Gateway>) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(web::Data::new(gateway.clock.clone()))
            .app_data(web::Data::from(gateway))
            .service(resource("/", web::get().to(index)))
            .service(resource("/livez", web::get().to(health::livez)))
            .service(resource("/readyz", web::get().to(health::readyz)))
            .service(resource("/metrics", web::get().to(metrics::scrape)))
            .service(resource("/admin/api/breakers", web::get().to(api::breakers)))
            .service(resource("/admin/api/versions", web::get().to(api::versions)))
            .service(resource("/admin/api/routes", web::get().to(api::routes)))
            .configure(shared::http::configure);
    }
}

fn resource(path: &'static str, get: actix_web::Route) -> actix_web::Resource {
    web::resource(path).route(get).default_service(shared::http::method_not_allowed("GET"))
}

/// What this listener has, for an operator who opens it in a browser.
const INDEX: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Tollgate: operators</title>
<h1>Tollgate: operators</h1>
<ul>
<li><a href="/livez">/livez</a>: whether this process answers
<li><a href="/readyz">/readyz</a>: each dependency
<li><a href="/metrics">/metrics</a>: for Prometheus
<li><a href="/admin/api/breakers">/admin/api/breakers</a>: the circuit breaker of each upstream
<li><a href="/admin/api/versions">/admin/api/versions</a>: API versions, and who still calls a deprecated one
<li><a href="/admin/api/routes">/admin/api/routes</a>: the compiled route table
</ul></html>
"#;

async fn index() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::html())
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'"))
        .body(INDEX)
}
