//! `/users/me/passkeys` and what is below it, and what is asked of a browser at `/auth/passkeys` and for step-up.

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use shared::auth::{Anyone, InSession};
use shared::domain::PasskeyId;
use shared::http::{Body, Conditions, Id, NoBody, NoQuery, WithoutQuery};
use shared::problem::Problem;

use super::model::{CreationOptions, PasskeyPatch, PasskeyRequest, PasskeyView, PasskeysView, RequestOptions, named};
use super::ops;
use crate::app::App;
use crate::db::Write;
use crate::idempotency::{Answer, IdempotencyKey, once, replay};
use crate::users::UserError;

/// What is served here; a part of the service's document.
#[derive(utoipa::OpenApi)]
#[openapi(paths(anybodys, own, options, make, list, get, patch, remove))]
pub struct Document;

fn show(passkey: &PasskeyView, status: StatusCode) -> Result<Answer, Problem> {
    Ok(Answer::json(status, passkey)?.header("etag", passkey.tag()?))
}

/// What to ask a browser for so that somebody signs in with a passkey; nobody says who they are, the passkey does. Give it to
/// `navigator.credentials.get()` and send what comes of it as `credential`: to `/auth/token` with the grant
/// `urn:tollgate:params:oauth:grant-type:passkey`, or to `/auth/session`. Nothing is kept of it, and any number may be asked for.
#[utoipa::path(post, path = "/api/v1/auth/passkeys/options", operation_id = "passkey_sign_in_options", tag = "Sign-in", security(()),
    responses((status = 200, description = "What to ask the browser for.", body = RequestOptions)))]
pub async fn anybodys(app: web::Data<App>, _: Anyone, _: WithoutQuery<NoBody>) -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::OK, &ops::anybodys(&app)?)?.into())
}

/// What to ask a browser for so that one proves who one is with a passkey, in the session that one has: send what comes of
/// it to `/auth/step-up`. 409 for who has none.
#[utoipa::path(post, path = "/api/v1/auth/step-up/options", operation_id = "passkey_step_up_options", tag = "Sign-in",
    responses((status = 200, description = "What to ask the browser for.", body = RequestOptions)))]
pub async fn own(app: web::Data<App>, caller: InSession, _: WithoutQuery<NoBody>) -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::OK, &ops::own(&app, &caller).await?)?.into())
}

/// What to ask a browser for so that it makes a passkey: give it to `navigator.credentials.create()`. Asks for a sign-in of a
/// moment ago; nothing changes until the passkey is sent, in this session, within five minutes. An `Idempotency-Key` is not
/// looked at: what was drawn before may be over.
#[utoipa::path(post, path = "/api/v1/users/me/passkeys/options", operation_id = "passkey_options", tag = "Second factors",
    responses((status = 200, description = "What to ask the browser for.", body = CreationOptions)))]
pub async fn options(app: web::Data<App>, caller: InSession, _: WithoutQuery<NoBody>) -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::OK, &ops::creation(&app, &caller).await?)?.into())
}

/// Keeps a passkey that the browser has made: it signs in by itself, and counts for two factors. The password goes on being
/// good. Asks for a sign-in of a moment ago. One has at most 20.
#[utoipa::path(post, path = "/api/v1/users/me/passkeys", operation_id = "add_passkey", tag = "Second factors",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = PasskeyRequest,
    responses((status = 201, description = "Kept; `Location` says where.", body = PasskeyView)))]
pub async fn make(
    app: web::Data<App>,
    caller: InSession,
    key: IdempotencyKey,
    WithoutQuery(Body(request)): WithoutQuery<Body<PasskeyRequest>>,
) -> Result<HttpResponse, Problem> {
    let said = serde_json::to_value(&request).map_err(Problem::internal)?;
    let claim = key.claim(caller.user.id.to_string(), &said, None);
    if let Some(first) = replay(&app, claim.as_ref()).await? {
        return Ok(first.into());
    }
    let new = (named(&request.name)?, &ops::verified(&app, &caller, &request.credential)?);
    let work = async |write: &Write| -> Result<Answer, UserError> {
        let kept = ops::keep(&app, write, &caller, new).await?;
        let location = format!("/api/v1/users/me/passkeys/{}", kept.id);
        Ok(show(&kept, StatusCode::CREATED)?.header("location", location).about(caller.user.id))
    };
    let answer = once(&app, claim.as_ref(), None, work).await?;
    app.mailer.wake();
    Ok(answer.into())
}

/// Lists one's passkeys, without their keys.
#[utoipa::path(get, path = "/api/v1/users/me/passkeys", operation_id = "list_passkeys", tag = "Second factors",
    responses((status = 200, description = "All of them.", body = PasskeysView)))]
pub async fn list(app: web::Data<App>, caller: InSession, _: NoQuery) -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::OK, &ops::list(&app, &caller).await?)?.into())
}

/// Shows one of one's passkeys.
#[utoipa::path(get, path = "/api/v1/users/me/passkeys/{id}", operation_id = "get_passkey", tag = "Second factors",
    params(("id" = PasskeyId, Path, description = "The passkey's id."),
           ("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The passkey, with `ETag`.", body = PasskeyView),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn get(
    app: web::Data<App>,
    caller: InSession,
    Id(id): Id<PasskeyId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let passkey = ops::read(&app, &caller, id).await?;
    let tag = passkey.tag()?;
    if conditions.unchanged(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(show(&passkey, StatusCode::OK)?.into())
}

/// Gives one of one's passkeys another name (JSON Merge Patch).
#[utoipa::path(patch, path = "/api/v1/users/me/passkeys/{id}", operation_id = "patch_passkey", tag = "Second factors",
    params(("id" = PasskeyId, Path, description = "The passkey's id."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    request_body(content((PasskeyPatch = "application/merge-patch+json"), (PasskeyPatch = "application/json"))),
    responses((status = 200, description = "The passkey as changed, with `ETag`.", body = PasskeyView)))]
pub async fn patch(
    app: web::Data<App>,
    caller: InSession,
    Id(id): Id<PasskeyId>,
    conditions: Conditions,
    WithoutQuery(Body(patch)): WithoutQuery<Body<PasskeyPatch>>,
) -> Result<HttpResponse, Problem> {
    let passkey = ops::patch(&app, &caller, id, &conditions, patch).await?;
    Ok(show(&passkey, StatusCode::OK)?.into())
}

/// Takes one of one's passkeys away: it signs nobody in any more. Sessions that it has opened go on. Asks for a sign-in of a
/// moment ago.
#[utoipa::path(delete, path = "/api/v1/users/me/passkeys/{id}", operation_id = "delete_passkey", tag = "Second factors",
    params(("id" = PasskeyId, Path, description = "The passkey's id."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    responses((status = 204, description = "Taken away.")))]
pub async fn remove(
    app: web::Data<App>,
    caller: InSession,
    Id(id): Id<PasskeyId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    ops::remove(&app, &caller, id, &conditions).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
