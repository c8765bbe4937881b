//! Whoever calls what they may not is recorded, whichever handler or extractor refused them.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpRequest, ResponseError, web};
use shared::auth::Anyone;
use shared::domain::UserId;
use shared::problem::Problem;

use super::event::{By, Event};
use super::kind::Kind;
use crate::app::App;

/// Wraps the service inside its context: a 403 goes out once it is on record.
///
/// # Errors
/// What the service answers.
pub async fn refusals<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    if response.status() != StatusCode::FORBIDDEN {
        return Ok(response);
    }
    match record(response.request()).await {
        Ok(()) => Ok(response),
        Err(problem) => Ok(response.into_response(problem.error_response())),
    }
}

async fn record(request: &HttpRequest) -> Result<(), Problem> {
    let app = request.app_data::<web::Data<App>>().ok_or_else(|| Problem::internal("no state"))?;
    let by = Anyone::extract(request).await.map_or_else(|_| By::nobody(None), |Anyone(caller)| app.journal.by(caller));
    let route = request.match_pattern().unwrap_or_default();
    let event = Event::new(Kind::CallRefused, by, &app.clock).with("call", format!("{} {route}", request.method()));
    let whom = request.match_info().get("id").and_then(|id| id.parse::<UserId>().ok());
    let event = whom.into_iter().fold(event, Event::about);
    Ok(app.journal.attempt(event)?.record().await?)
}
