//! What operators may change while the gateway runs: breakers and the log.

use std::time::Instant;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use shared::http::Body;
use shared::problem::{Code, Problem};

use crate::app::Gateway;
use crate::upstream::breaker::Forced;

/// What a breaker is to do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// `open`, `closed`, or `null`: what calls say decides again.
    forced: Option<Forced>,
}

/// `PUT /admin/api/breakers/{upstream}` `{"forced": "open" | "closed" | null}`: holds a breaker, or lets it go.
pub async fn breaker(
    gateway: web::Data<Gateway>,
    upstream: web::Path<String>,
    switch: Body<Switch>,
) -> Result<HttpResponse, Problem> {
    // A reload that is under way has read already what is decided here.
    let _pause = gateway.reloads.pause();
    let tables = gateway.tables.load_full();
    let found = tables.upstreams.iter().find(|known| known.name == *upstream);
    let upstream = found.ok_or_else(|| Problem::new(Code::NotFound))?;
    upstream.breaker.force(switch.0.forced, Instant::now());
    tracing::warn!(upstream = upstream.name, forced = ?switch.0.forced, "an operator has switched a breaker");
    Ok(HttpResponse::Ok().json(super::breaker_view(upstream, Instant::now())))
}

/// Which events are logged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    filter: String,
}

/// `GET /admin/api/log`: which events are logged.
pub async fn log(gateway: web::Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "filter": gateway.log.get() }))
}

/// `PUT /admin/api/log` `{"filter": "info,gateway=debug"}`: logs other events, until the next start or reload.
pub async fn set_log(gateway: web::Data<Gateway>, log: Body<Log>) -> Result<HttpResponse, Problem> {
    let set = gateway.log.set(&log.0.filter);
    set.map_err(|error| Problem::new(Code::ValidationFailed).error("/filter", "invalid", error.to_string()))?;
    tracing::warn!(filter = log.0.filter, "an operator has changed what is logged");
    Ok(HttpResponse::Ok().json(json!({ "filter": gateway.log.get() })))
}

/// `GET /admin/api/errors`: the last requests that were answered with a 5xx, the newest first.
pub async fn errors(gateway: web::Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "data": gateway.recent.list() }))
}
