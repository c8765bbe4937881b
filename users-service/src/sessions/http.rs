//! `GET` and `DELETE` of `/users/{id}/sessions`, and of one of them.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::{Ready, ready};
use shared::auth::InSession;
use shared::domain::SessionId;
use shared::http::{Conditions, NoQuery};
use shared::problem::{Code, Problem};

use super::model::{SessionView, SessionsView};
use super::ops;
use crate::app::App;
use crate::idempotency::Answer;
use crate::users::Target;

/// The path's `{sid}`: what is no id names nothing.
#[derive(Clone, Copy, Debug)]
pub struct Named(SessionId);

impl FromRequest for Named {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("sid").and_then(|id| id.parse().ok());
        ready(id.map(Self).ok_or_else(|| Problem::new(Code::NotFound)))
    }
}

/// Lists the sessions that go on: one's own, or anybody's as administrator or support. The one that was used last comes
/// first; one has at most 100, so there are no pages. No API key and no token of an OAuth client may: 403.
#[utoipa::path(get, path = "/api/v1/users/{id}/sessions", operation_id = "list_sessions", tag = "Sessions",
    params(("id" = Target, Path)),
    responses((status = 200, description = "All of them.", body = SessionsView)))]
pub async fn list(app: web::Data<App>, caller: InSession, target: Target, _: NoQuery) -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::OK, &ops::list(&app, &caller, target).await?)?.into())
}

/// Shows a session that goes on: one's own, or anybody's as administrator or support.
#[utoipa::path(get, path = "/api/v1/users/{id}/sessions/{sid}", operation_id = "get_session", tag = "Sessions",
    params(("id" = Target, Path), ("sid" = SessionId, Path, description = "The session's id."),
           ("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The session, with `ETag`.", body = SessionView),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn get(
    app: web::Data<App>,
    caller: InSession,
    target: Target,
    Named(id): Named,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let session = ops::read(&app, &caller, target, id).await?;
    let tag = session.tag()?;
    if conditions.unchanged(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(Answer::json(StatusCode::OK, &session)?.header("etag", tag).into())
}

/// Ends a session: one's own, or anybody's as administrator. Its tokens are worth nothing within a second, and those of OAuth
/// clients that were let in from it go with it. Ending another of one's own than the one that asks takes a recent proof of
/// who one is: 401 `step_up_required`.
#[utoipa::path(delete, path = "/api/v1/users/{id}/sessions/{sid}", operation_id = "delete_session", tag = "Sessions",
    params(("id" = Target, Path), ("sid" = SessionId, Path, description = "The session's id."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    responses((status = 204, description = "It has ended.")))]
pub async fn end(
    app: web::Data<App>,
    caller: InSession,
    target: Target,
    Named(id): Named,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    ops::end(&app, &caller, target, id, &conditions).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}

/// Ends all sessions, the one that asks among them: one's own, which takes a recent proof of who one is (401
/// `step_up_required`), or anybody's as administrator. API keys go on.
#[utoipa::path(delete, path = "/api/v1/users/{id}/sessions", operation_id = "delete_sessions", tag = "Sessions",
    params(("id" = Target, Path)),
    responses((status = 204, description = "They have ended.")))]
pub async fn end_all(
    app: web::Data<App>,
    caller: InSession,
    target: Target,
    _: NoQuery,
) -> Result<HttpResponse, Problem> {
    ops::end_all(&app, &caller, target).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
