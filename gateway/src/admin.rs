//! The operators' listener: probes with detail, metrics, and views of what the gateway knows.

pub mod api;
pub mod health;
pub mod metrics;

use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};

use crate::app::Gateway;

/// Everything that the admin listener answers.
pub fn configure(gateway: Arc<Gateway>) -> impl FnOnce(&mut ServiceConfig) {
    move |app| {
        app.app_data(web::Data::new(gateway.clock.clone()))
            .app_data(web::Data::from(gateway))
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
