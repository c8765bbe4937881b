//! `/users/me/mfa` and what is below it, and `/users/{id}/mfa`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::json;
use shared::auth::{CanManageUsers, InSession};
use shared::domain::UserId;
use shared::http::{Body, Id, NoBody, NoQuery, WithoutQuery};
use shared::problem::{Code, Problem};

use super::model::{ConfirmRequest, Factors, Offer, RecoveryCodes};
use super::ops;
use crate::app::App;
use crate::audit::{Event, Kind, Refusal};
use crate::db::Write;
use crate::idempotency::{Answer, IdempotencyKey, once, replay};
use crate::throttle::Ticket;
use crate::users::UserError;

/// Where an app is seen, once it is confirmed.
const HERE: &str = "/api/v1/users/me/mfa";

/// Which second factors one has, and how many recovery codes are left.
#[utoipa::path(get, path = "/api/v1/users/me/mfa", operation_id = "get_factors", tag = "Second factors",
    responses((status = 200, description = "The second factors.", body = Factors)))]
pub async fn read(app: web::Data<App>, caller: InSession, _: NoQuery) -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::OK, &ops::read(&app, &caller).await?)?.into())
}

/// Makes a secret for an authenticator app. Nothing changes until a code of the app confirms it, within 15 minutes; asking
/// again makes another. Asks for a sign-in of a moment ago.
///
/// Under an `Idempotency-Key` it is done once, but its answer holds a secret and is not kept: a repetition is 409
/// `idempotency_not_replayable`.
#[utoipa::path(post, path = "/api/v1/users/me/mfa/totp", operation_id = "start_totp", tag = "Second factors",
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, description = "What the app has to be told. It is not shown again.", body = Offer)))]
pub async fn start(
    app: web::Data<App>,
    caller: InSession,
    key: IdempotencyKey,
    _: WithoutQuery<NoBody>,
) -> Result<HttpResponse, Problem> {
    let claim = key.claim(caller.user.id.to_string(), &json!({}), None);
    if let Some(first) = replay(&app, claim.as_ref()).await? {
        return Ok(first.into());
    }
    let work = async |write: &Write| -> Result<Answer, UserError> {
        let offer = ops::start(&app, write, &caller).await?;
        Ok(Answer::json(StatusCode::CREATED, &offer)?.header("location", HERE).unrepeatable())
    };
    Ok(once(&app, claim.as_ref(), None, work).await?.into())
}

/// Turns the authenticator app on, by a code that it shows. From then on a code is asked for at each sign-in (`otp`); the
/// recovery codes stand in for it, each once. So many codes may be tried, and no more. Under an `Idempotency-Key` a
/// repetition is 409 `idempotency_not_replayable`.
#[utoipa::path(post, path = "/api/v1/users/me/mfa/totp/confirm", operation_id = "confirm_totp", tag = "Second factors",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = ConfirmRequest,
    responses((status = 200, description = "It is on. The recovery codes are not shown again.", body = RecoveryCodes)))]
pub async fn confirm(
    app: web::Data<App>,
    caller: InSession,
    key: IdempotencyKey,
    WithoutQuery(Body(request)): WithoutQuery<Body<ConfirmRequest>>,
) -> Result<HttpResponse, Problem> {
    let id = caller.user.id;
    let claim = key.claim(id.to_string(), &json!({"code": request.code}), None);
    if let Some(first) = replay(&app, claim.as_ref()).await? {
        return Ok(first.into());
    }
    let ticket = Ticket::otp_setup(id);
    if let Err(wait) = app.otp_limit.admit(&ticket).await {
        let (kind, by) = (Kind::FactorThrottled, (&*caller).into());
        app.journal.count(Refusal { kind, subject: Some(id), identifier: None, by });
        return Err(Problem::new(Code::RateLimited).retry_after(wait));
    }
    let failed = Event::new(Kind::FactorFailed, (&*caller).into(), &app.clock).about(id);
    let attempt = app.journal.attempt(failed)?;
    let work = async |write: &Write| -> Result<Answer, UserError> {
        let codes = ops::confirm(&app, write, &caller, &request.code).await?;
        Ok(Answer::json(StatusCode::OK, &codes)?.unrepeatable())
    };
    let answer = once(&app, claim.as_ref(), None, work).await;
    if answer.as_ref().is_err_and(|problem| problem.code() == Code::ValidationFailed) {
        attempt.record().await?;
    }
    let answer = answer?;
    app.otp_limit.forgive(&ticket).await;
    app.mailer.wake();
    Ok(answer.into())
}

/// Takes the authenticator app away, and the recovery codes with it: the password is enough again. Asks for a sign-in of a
/// moment ago, with a code.
#[utoipa::path(delete, path = "/api/v1/users/me/mfa/totp", operation_id = "delete_totp", tag = "Second factors",
    responses((status = 204, description = "Taken away.")))]
pub async fn remove(app: web::Data<App>, caller: InSession, _: NoQuery) -> Result<HttpResponse, Problem> {
    let write = app.database.write().await?;
    ops::remove(&app, &write, &caller).await?;
    write.commit().await?;
    app.mailer.wake();
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}

/// Makes new recovery codes; the old ones are void. Asks for a sign-in of a moment ago, with a code. Under an
/// `Idempotency-Key` a repetition is 409 `idempotency_not_replayable`.
#[utoipa::path(post, path = "/api/v1/users/me/mfa/recovery-codes", operation_id = "renew_recovery_codes", tag = "Second factors",
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "The codes. They are not shown again.", body = RecoveryCodes)))]
pub async fn renew(
    app: web::Data<App>,
    caller: InSession,
    key: IdempotencyKey,
    _: WithoutQuery<NoBody>,
) -> Result<HttpResponse, Problem> {
    let claim = key.claim(caller.user.id.to_string(), &json!({}), None);
    if let Some(first) = replay(&app, claim.as_ref()).await? {
        return Ok(first.into());
    }
    let work = async |write: &Write| -> Result<Answer, UserError> {
        let codes = ops::renew(&app, write, &caller).await?;
        Ok(Answer::json(StatusCode::OK, &codes)?.unrepeatable())
    };
    let answer = once(&app, claim.as_ref(), None, work).await?;
    app.mailer.wake();
    Ok(answer.into())
}

/// Takes every second factor from somebody who has lost theirs, their passkeys among them, and ends their sessions: administrators, and whoever has the
/// permission `users:manage`. They are told. Asks for a sign-in of a moment ago.
#[utoipa::path(delete, path = "/api/v1/users/{id}/mfa", operation_id = "delete_factors", tag = "Administration",
    params(("id" = UserId, Path, description = "A user's id.")),
    responses((status = 204, description = "They have none.")))]
pub async fn reset(
    app: web::Data<App>,
    caller: CanManageUsers,
    Id(user): Id<UserId>,
    _: NoQuery,
) -> Result<HttpResponse, Problem> {
    let write = app.database.write().await?;
    ops::reset(&app, &write, &caller, user).await?;
    write.commit().await?;
    app.relay.flush().await;
    app.mailer.wake();
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
