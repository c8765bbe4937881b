//! `/auth/email/verify`, `/auth/email/resend`, `/auth/password/forgot`, `/auth/password/reset`, and `/users/{id}/password-reset`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use shared::auth::{Anyone, CanManageUsers};
use shared::domain::UserId;
use shared::http::{Body, Id, NoBody, WithoutQuery};
use shared::problem::Problem;

use super::ask::ask;
use super::model::{AskRequest, ResetRequest, VerifyRequest};
use crate::app::App;
use crate::db::Write;
use crate::idempotency::{Answer, IdempotencyKey, once, replay};
use crate::mail::Template;
use crate::users::Accepted;

/// Confirms an e-mail address: that of the account, or the new one that a change of it waits for. The link's token says
/// which, and is good once.
#[utoipa::path(post, path = "/api/v1/auth/email/verify", operation_id = "verify_email", tag = "Sign-in", security(()),
    request_body = VerifyRequest,
    responses((status = 204, description = "Confirmed.")))]
pub async fn verify(
    app: web::Data<App>,
    caller: Anyone,
    WithoutQuery(Body(request)): WithoutQuery<Body<VerifyRequest>>,
) -> Result<HttpResponse, Problem> {
    super::verify::verify(&app, &request.token, caller.0.client_ip).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}

/// Sends the link that confirms an address again, if the address is an account's and not confirmed yet. So many mails an
/// hour go to one address and no more; the answer is always the same.
#[utoipa::path(post, path = "/api/v1/auth/email/resend", operation_id = "resend_verification", tag = "Sign-in", security(()),
    request_body = AskRequest,
    responses((status = 202, description = "Whatever there is to send is on its way.", body = Accepted)))]
pub async fn resend(
    app: web::Data<App>,
    caller: Anyone,
    WithoutQuery(Body(request)): WithoutQuery<Body<AskRequest>>,
) -> Result<HttpResponse, Problem> {
    ask(&app, &request.email, caller.0.client_ip, Template::VerifyEmail).await?;
    accepted()
}

/// Sends a link with which a new password can be chosen, if the address is an account's. So many mails an hour go to one
/// address and no more; the answer is always the same, and so is the work.
#[utoipa::path(post, path = "/api/v1/auth/password/forgot", operation_id = "forgot_password", tag = "Sign-in", security(()),
    request_body = AskRequest,
    responses((status = 202, description = "Whatever there is to send is on its way.", body = Accepted)))]
pub async fn forgot(
    app: web::Data<App>,
    caller: Anyone,
    WithoutQuery(Body(request)): WithoutQuery<Body<AskRequest>>,
) -> Result<HttpResponse, Problem> {
    ask(&app, &request.email, caller.0.client_ip, Template::ResetPassword).await?;
    accepted()
}

/// Chooses a new password with a link's token, which is good once. Every session of the user ends.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", operation_id = "reset_password", tag = "Sign-in", security(()),
    request_body = ResetRequest,
    responses((status = 204, description = "Changed; every token issued before is void within a second.")))]
pub async fn reset(
    app: web::Data<App>,
    caller: Anyone,
    WithoutQuery(Body(request)): WithoutQuery<Body<ResetRequest>>,
) -> Result<HttpResponse, Problem> {
    super::reset::reset(&app, &request.token, &request.new_password, caller.0.client_ip).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}

fn accepted() -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::ACCEPTED, &Accepted { status: "accepted" })?.into())
}

/// Sends somebody a link to choose a new password, to their own address: administrators, and whoever has the permission
/// `users:manage`. Until they use it, the old password stays.
#[utoipa::path(post, path = "/api/v1/users/{id}/password-reset", operation_id = "send_password_reset", tag = "Administration",
    params(("id" = UserId, Path, description = "A user's id."), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, description = "The mail is on its way.", body = Accepted)))]
pub async fn send_reset(
    app: web::Data<App>,
    caller: CanManageUsers,
    Id(user): Id<UserId>,
    key: IdempotencyKey,
    _: WithoutQuery<NoBody>,
) -> Result<HttpResponse, Problem> {
    let claim = key.claim(caller.user.id.to_string(), &serde_json::json!({"id": user}), None);
    if let Some(first) = replay(&app, claim.as_ref()).await? {
        return Ok(first.into());
    }
    let answer =
        once(&app, claim.as_ref(), None, async |write: &Write| super::send::send(&app, write, &caller, user).await);
    let answer = answer.await?;
    app.mailer.wake();
    Ok(answer.into())
}
