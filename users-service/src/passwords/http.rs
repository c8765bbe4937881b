//! `PUT /users/me/password`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use shared::auth::InSession;
use shared::http::{Body, WithoutQuery};
use shared::problem::Problem;

use super::change::{self, ChangeRequest};
use crate::app::App;
use crate::idempotency::Answer;

/// Changes one's own password. The other sessions end, this one goes on. No API key and no token of an OAuth
/// client may: 403. Wrong passwords count together with those of a step-up, and end the session as they do.
#[utoipa::path(put, path = "/api/v1/users/me/password", operation_id = "change_password", tag = "Users",
    request_body = ChangeRequest,
    responses((status = 204, description = "Changed; the other sessions have ended.")))]
pub async fn change(
    app: web::Data<App>,
    caller: InSession,
    WithoutQuery(Body(request)): WithoutQuery<Body<ChangeRequest>>,
) -> Result<HttpResponse, Problem> {
    change::change(&app, &caller, request).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
