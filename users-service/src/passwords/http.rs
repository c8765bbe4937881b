//! `PUT /users/me/password`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use shared::auth::SignedIn;
use shared::http::Body;
use shared::problem::Problem;

use super::change::{self, ChangeRequest};
use crate::app::App;
use crate::idempotency::Answer;

/// Changes one's own password. The other sessions end, this one goes on.
#[utoipa::path(put, path = "/api/v1/users/me/password", operation_id = "change_password", tag = "Users",
    request_body = ChangeRequest,
    responses((status = 204, description = "Changed; the other sessions have ended.")))]
pub async fn change(
    app: web::Data<App>,
    caller: SignedIn,
    Body(request): Body<ChangeRequest>,
) -> Result<HttpResponse, Problem> {
    change::change(&app, &caller, request).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
