//! `/clients`, `/clients/{id}` and `/clients/{id}/secret`.

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use serde_json::json;
use shared::auth::CanManageClients;
use shared::domain::ClientId;
use shared::domain::paging::{CursorPage, CursorRequest};
use shared::http::{Body, Conditions, Id, NoQuery, QueryPairs, WithoutQuery};
use shared::problem::{Code, Problem};

use super::model::Client;
use super::ops::{self, Made};
use super::request::{Chosen, PatchRequest, RegisterRequest, SecretRequest};
use super::store;
use super::view::{ClientView, tag};
use crate::app::App;
use crate::db::Write;
use crate::idempotency::{Answer, IdempotencyKey, once, replay};

/// A client with its entity tag.
fn show(app: &App, status: StatusCode, (client, secret): Made) -> Result<Answer, Problem> {
    let tag = tag(&client);
    let view = ClientView::of(client, app.clock.now_micros()).telling(secret.as_ref());
    Ok(Answer::json(status, &view)?.header("etag", tag))
}

/// Does something under a key whose answer is a secret: that it was done is remembered, the answer is not, for no row of
/// ours holds a secret.
async fn once_untold(
    app: &App,
    caller: &CanManageClients,
    (key, request): (IdempotencyKey, serde_json::Value),
    work: impl AsyncFnOnce(&Write) -> Result<Made, Problem>,
) -> Result<Made, Problem> {
    let claim = key.claim(caller.user.id.to_string(), &request, None);
    let untold = || Problem::new(Code::IdempotencyNotReplayable);
    if replay(app, claim.as_ref()).await?.is_some() {
        return Err(untold());
    }
    let mut made = None;
    let work = async |write: &Write| -> Result<Answer, Problem> {
        made = Some(work(write).await?);
        Ok(Answer::empty(StatusCode::OK))
    };
    drop(once(app, claim.as_ref(), None, work).await?);
    made.ok_or_else(untold)
}

/// Lists clients: administrators, and whoever has the permission `clients:manage`. Oldest first.
#[utoipa::path(get, path = "/api/v1/clients", operation_id = "list_clients", tag = "Clients",
    params(("cursor" = Option<String>, Query, description = "Where the last page ended."),
           ("limit" = Option<u32>, Query, description = "20 when absent.", minimum = 1, maximum = 100)),
    responses((status = 200, description = "One page.", body = CursorPage<ClientView>)))]
pub async fn list(app: web::Data<App>, _: CanManageClients, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let request = CursorRequest::parse(&query.only(&["cursor", "limit"])?)?;
    let (page, now) = (store::page(app.database.read(), &request).await?, app.clock.now_micros());
    Ok(Answer::json(StatusCode::OK, &page.map(|client| ClientView::of(client, now)))?.into())
}

/// Registers a client: administrators, and whoever has the permission `clients:manage`, after a sign-in of a moment ago. The answer tells its secret, and nothing ever tells it again;
/// so the same `Idempotency-Key` once more is 409 `idempotency_not_replayable`.
#[utoipa::path(post, path = "/api/v1/clients", operation_id = "register_client", tag = "Clients",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = RegisterRequest,
    responses((status = 201, description = "Registered; `Location` says where.", body = ClientView)))]
pub async fn register(
    app: web::Data<App>,
    caller: CanManageClients,
    key: IdempotencyKey,
    WithoutQuery(Body(request)): WithoutQuery<Body<RegisterRequest>>,
) -> Result<HttpResponse, Problem> {
    let claimed = serde_json::to_value(&request).map_err(Problem::internal)?;
    let chosen = Chosen::of(request, &app.config)?;
    let work = async |write: &Write| ops::register(&app, write, &caller, chosen).await;
    let made = once_untold(&app, &caller, (key, claimed), work).await?;
    let location = format!("/api/v1/clients/{}", made.0.id);
    Ok(show(&app, StatusCode::CREATED, made)?.header("location", location).into())
}

/// Reads a client: administrators, and whoever has the permission `clients:manage`.
#[utoipa::path(get, path = "/api/v1/clients/{id}", operation_id = "get_client", tag = "Clients",
    params(("id" = ClientId, Path, description = "The client's id."),
           ("If-None-Match" = Option<String>, Header, description = "304 when it has not changed."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed.")),
    responses((status = 200, description = "The client, with `ETag`.", body = ClientView),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn get(
    app: web::Data<App>,
    _: CanManageClients,
    Id(id): Id<ClientId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let client: Client = store::find(app.database.read(), id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let tag = tag(&client);
    if conditions.unchanged(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(show(&app, StatusCode::OK, (client, None))?.into())
}

/// Changes a client (JSON Merge Patch): administrators, and whoever has the permission `clients:manage`, after a sign-in of a moment ago. Disabled, every token that it or its users
/// have got for it is void within a second.
#[utoipa::path(patch, path = "/api/v1/clients/{id}", operation_id = "patch_client", tag = "Clients",
    params(("id" = ClientId, Path, description = "The client's id."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    request_body(content((PatchRequest = "application/merge-patch+json"), (PatchRequest = "application/json"))),
    responses((status = 200, description = "The client as changed, with `ETag`.", body = ClientView)))]
pub async fn patch(
    app: web::Data<App>,
    caller: CanManageClients,
    Id(id): Id<ClientId>,
    conditions: Conditions,
    WithoutQuery(Body(patch)): WithoutQuery<Body<PatchRequest>>,
) -> Result<HttpResponse, Problem> {
    let client = ops::patch(&app, &caller, id, &conditions, patch).await?;
    Ok(show(&app, StatusCode::OK, (client, None))?.into())
}

/// Removes a client: administrators, and whoever has the permission `clients:manage`, after a sign-in of a moment ago. Every token that it or its users have got for it is void within
/// a second.
#[utoipa::path(delete, path = "/api/v1/clients/{id}", operation_id = "delete_client", tag = "Clients",
    params(("id" = ClientId, Path, description = "The client's id."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    responses((status = 204, description = "Removed.")))]
pub async fn delete(
    app: web::Data<App>,
    caller: CanManageClients,
    Id(id): Id<ClientId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    ops::delete(&app, &caller, id, &conditions).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}

/// Gives a client a new secret: administrators, and whoever has the permission `clients:manage`, after a sign-in of a moment ago. The old one goes on for `oauth.secret_grace`, unless
/// it is to end now. The answer tells the secret once, as that of the registration does.
#[utoipa::path(post, path = "/api/v1/clients/{id}/secret", operation_id = "make_client_secret", tag = "Clients",
    params(("id" = ClientId, Path, description = "The client's id."), ("Idempotency-Key" = Option<String>, Header),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    request_body = SecretRequest,
    responses((status = 200, description = "The client with its secret, and with `ETag`.", body = ClientView)))]
pub async fn secret(
    app: web::Data<App>,
    caller: CanManageClients,
    Id(id): Id<ClientId>,
    (conditions, key): (Conditions, IdempotencyKey),
    WithoutQuery(Body(request)): WithoutQuery<Body<SecretRequest>>,
) -> Result<HttpResponse, Problem> {
    let claimed = json!({"id": id, "request": request});
    let work = async |write: &Write| ops::new_secret(&app, write, &caller, id, &conditions, request).await;
    let made = once_untold(&app, &caller, (key, claimed), work).await?;
    app.relay.flush().await;
    Ok(show(&app, StatusCode::OK, made)?.into())
}
