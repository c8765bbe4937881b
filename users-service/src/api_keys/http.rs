//! `/users/me/api-keys`, and the same of others.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::{Ready, ready};
use shared::auth::{CanManageKeys, InSession};
use shared::domain::{ApiKeyId, UserId};
use shared::http::{Body, Conditions, Id, NoQuery, WithoutQuery};
use shared::problem::{Code, Problem};

use super::model::{ApiKeyRequest, ApiKeyView, ApiKeysView, NewApiKeyView};
use super::ops;
use crate::app::App;
use crate::idempotency::{Answer, IdempotencyKey};

/// A key by its place in another's path: what is no id is no key.
#[derive(Clone, Copy, Debug)]
pub struct KeyId(ApiKeyId);

impl FromRequest for KeyId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("key").and_then(|id| id.parse().ok());
        ready(id.map(Self).ok_or_else(|| Problem::new(Code::NotFound)))
    }
}

/// Lists one's own API keys that are not revoked, the newest first. Only in a session of one's own.
#[utoipa::path(get, path = "/api/v1/users/me/api-keys", operation_id = "list_api_keys", tag = "API keys",
    responses((status = 200, description = "The keys, without what opens anything.", body = ApiKeysView)))]
pub async fn list(app: web::Data<App>, caller: InSession, _: NoQuery) -> Result<HttpResponse, Problem> {
    let keys = ops::list(&app, caller.user.id).await?;
    Ok(Answer::json(StatusCode::OK, &keys)?.into())
}

/// Makes an API key. This answer shows it, and no other ever does: not even the same `Idempotency-Key` again (409
/// `idempotency_not_replayable`). It may do what its scopes say and its user may, apart from what changes how they sign in
/// or who may do what. Asks for a proof of a moment ago (401 `step_up_required`).
#[utoipa::path(post, path = "/api/v1/users/me/api-keys", operation_id = "make_api_key", tag = "API keys",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = ApiKeyRequest,
    responses((status = 201, description = "Made; send it as `Authorization: Bearer tgk_…` or `X-API-Key`.", body = NewApiKeyView)))]
pub async fn make(
    app: web::Data<App>,
    caller: InSession,
    key: IdempotencyKey,
    WithoutQuery(Body(request)): WithoutQuery<Body<ApiKeyRequest>>,
) -> Result<HttpResponse, Problem> {
    Ok(ops::make(&app, &caller, key, request).await?.into())
}

/// Shows one of one's own API keys that is not revoked, without what opens anything. Only in a session of one's own.
#[utoipa::path(get, path = "/api/v1/users/me/api-keys/{id}", operation_id = "get_api_key", tag = "API keys",
    params(("id" = ApiKeyId, Path, description = "The key's id."),
           ("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The key, with `ETag`.", body = ApiKeyView),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn get(
    app: web::Data<App>,
    caller: InSession,
    Id(id): Id<ApiKeyId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let key = ops::read(&app, caller.user.id, id).await?;
    let tag = key.tag()?;
    if conditions.unchanged(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(Answer::json(StatusCode::OK, &key)?.header("etag", tag).into())
}

/// Revokes one of one's own API keys: nobody takes it any more, within a second.
#[utoipa::path(delete, path = "/api/v1/users/me/api-keys/{id}", operation_id = "delete_api_key", tag = "API keys",
    params(("id" = ApiKeyId, Path, description = "The key's id.")),
    responses((status = 204, description = "Revoked.")))]
pub async fn revoke(
    app: web::Data<App>,
    caller: InSession,
    Id(key): Id<ApiKeyId>,
    _: NoQuery,
) -> Result<HttpResponse, Problem> {
    ops::revoke(&app, &caller, caller.user.id, key).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}

/// Lists somebody's API keys that are not revoked: administrators, and whoever has the permission `keys:manage`.
#[utoipa::path(get, path = "/api/v1/users/{id}/api-keys", operation_id = "list_api_keys_of", tag = "Administration",
    params(("id" = UserId, Path, description = "A user's id.")),
    responses((status = 200, description = "The keys, without what opens anything.", body = ApiKeysView)))]
pub async fn list_of(
    app: web::Data<App>,
    _: CanManageKeys,
    Id(user): Id<UserId>,
    _: NoQuery,
) -> Result<HttpResponse, Problem> {
    let keys = ops::list_of(&app, user).await?;
    Ok(Answer::json(StatusCode::OK, &keys)?.into())
}

/// Revokes one of somebody's API keys: administrators, and whoever has the permission `keys:manage`.
#[utoipa::path(delete, path = "/api/v1/users/{id}/api-keys/{key}", operation_id = "delete_api_key_of", tag = "Administration",
    params(("id" = UserId, Path, description = "A user's id."), ("key" = ApiKeyId, Path, description = "The key's id.")),
    responses((status = 204, description = "Revoked.")))]
pub async fn revoke_of(
    app: web::Data<App>,
    caller: CanManageKeys,
    Id(user): Id<UserId>,
    KeyId(key): KeyId,
    _: NoQuery,
) -> Result<HttpResponse, Problem> {
    ops::revoke(&app, &caller, user, key).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
