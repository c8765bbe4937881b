//! `POST /auth/step-up`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use shared::auth::InSession;
use shared::config::Secret;
use shared::http::Body;
use shared::problem::Problem;

use super::prove;
use crate::app::App;
use crate::idempotency::Answer;

/// What proves who one is.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUpRequest {
    /// The password.
    #[schema(example = "correct horse battery 9 staple")]
    pub password: String,
    /// A code of the second factor, or a recovery code, where there is one.
    #[schema(example = "287082", max_length = 64)]
    pub otp: Option<String>,
}

/// Proves once more who one is, in the session that one has: for what answers 401 `step_up_required`. Holds for five
/// minutes, as a sign-in does. Whoever has a second factor sends a code of it: 403 `mfa_required` otherwise. No API key and no token of an OAuth client can: 403. After
/// ten wrong ones in one session the next ends it, right or wrong: 401 `token_invalid`.
#[utoipa::path(post, path = "/api/v1/auth/step-up", operation_id = "step_up", tag = "Sign-in",
    request_body = StepUpRequest,
    responses((status = 204, description = "Proved: ask again for what was refused.")))]
pub async fn step_up(
    app: web::Data<App>,
    caller: InSession,
    Body(request): Body<StepUpRequest>,
) -> Result<HttpResponse, Problem> {
    prove::prove(&app, &caller, &Secret::from(request.password), request.otp.as_deref()).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
