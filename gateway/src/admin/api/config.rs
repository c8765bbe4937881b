//! The configuration in force: how it came to be, and taking it anew.

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};
use shared::clock::rfc3339;
use shared::problem::{Code, Problem};

use crate::app::Gateway;
use crate::reload::State;

/// `GET /admin/api/config`: the configuration in force with every default, secrets hidden.
pub async fn effective(gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    let shown = gateway.reloads.config().effective().map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().json(json!({ "data": shown })))
}

/// `GET /admin/api/reload`: what became of the configurations so far.
pub async fn state(gateway: web::Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(view(&gateway.reloads.state()))
}

/// `POST /admin/api/reload`: reads the configuration anew, as SIGHUP does. 422 with every mistake when it is refused.
pub async fn reload(gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    match gateway.reload() {
        Ok(state) => Ok(HttpResponse::Ok().json(view(&state))),
        Err(error) => Err(Problem::new(Code::ValidationFailed).detail(error.to_string())),
    }
}

fn view(state: &State) -> Value {
    json!({
        "generation": state.generation,
        "since": rfc3339(state.since),
        "refused": state.refused,
        "error": state.error,
        "waiting_for_restart": state.waiting,
    })
}
