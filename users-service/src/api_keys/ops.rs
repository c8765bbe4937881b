//! Making keys, in a session that has proved itself of late; listing and revoking them.

use actix_web::http::StatusCode;
use shared::auth::{InSession, SignedIn};
use shared::domain::{ApiKeyId, UserId};
use shared::problem::{Code, Problem};
use shared::store::Revocation;

use super::key::ApiKey;
use super::model::{ApiKeyRequest, ApiKeyView, ApiKeysView, NewApiKeyView, NewKey};
use super::store;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::{Fault, Write};
use crate::idempotency::{Answer, IdempotencyKey, once, replay};
use crate::users::{self, UserError};
use crate::{revocations, step_up};

/// Makes a key of the caller's own.
///
/// # Errors
/// 401 `step_up_required`, 409 for a name that is taken or one key too many, 422 for what cannot be made; 409 also for a
/// repeated `Idempotency-Key`, because nobody can show the key again.
pub(super) async fn make(
    app: &App,
    caller: &InSession,
    idempotency: IdempotencyKey,
    request: ApiKeyRequest,
) -> Result<Answer, Problem> {
    let said = serde_json::to_value(&request).map_err(Problem::internal)?;
    let claim = idempotency.claim(caller.user.id.to_string(), &said, None);
    if let Some(first) = replay(app, claim.as_ref()).await? {
        return Ok(first);
    }
    let new = request.parse(&app.config.api_keys, app.clock.now())?;
    once(app, claim.as_ref(), None, async |write: &Write| insert(app, write, caller, &new).await).await
}

async fn insert(app: &App, write: &Write, caller: &InSession, new: &NewKey) -> Result<Answer, UserError> {
    let id = caller.user.id;
    let user = users::lock(write, id).await?.ok_or(UserError::NotFound)?.user;
    users::may_change(write, caller, &user).await?;
    step_up::require(app, write, caller).await?;
    if store::count(write.transaction(), id).await? >= u64::from(app.config.api_keys.per_user) {
        return Err(UserError::State("There are as many keys as one may have: revoke one first."));
    }
    if store::has_name(write.transaction(), id, &new.name).await? {
        return Err(UserError::State("A key of yours has this name."));
    }
    let key = ApiKey::generate()?;
    let row = store::insert(write, id, new, &key, &app.clock).await?;
    let event = Event::new(Kind::ApiKeyMade, (&**caller).into(), &app.clock).about(id);
    let event = event.with("key", row.id.to_string()).with("name", new.name.as_str());
    write.audit(event.with("scopes", new.scopes.clone()));
    let shown = ApiKeyView::from(row);
    let location = format!("/api/v1/users/me/api-keys/{}", shown.id);
    let view = NewApiKeyView { key: key.expose().to_owned(), shown };
    Ok(Answer::json(StatusCode::CREATED, &view)?.header("location", location).unrepeatable())
}

/// Somebody's keys.
///
/// # Errors
/// When the database fails.
pub(super) async fn list(app: &App, user: UserId) -> Result<ApiKeysView, Fault> {
    let rows = store::all(app.database.read(), user).await?;
    Ok(ApiKeysView { data: rows.into_iter().map(ApiKeyView::from).collect() })
}

/// One of somebody's keys.
///
/// # Errors
/// 404 when they have no such key.
pub(super) async fn read(app: &App, user: UserId, key: ApiKeyId) -> Result<ApiKeyView, UserError> {
    Ok(store::one(app.database.read(), user, key).await?.ok_or(UserError::NotFound)?.into())
}

/// Somebody's keys, for whoever may see anybody's.
///
/// # Errors
/// 404 when there is no such user.
pub(super) async fn list_of(app: &App, user: UserId) -> Result<ApiKeysView, UserError> {
    users::find(app.database.read(), user).await?.ok_or(UserError::NotFound)?;
    Ok(list(app, user).await?)
}

/// Ends a key of somebody's. No gateway takes it any more, within a second.
///
/// # Errors
/// 404 when they have no such key.
pub(super) async fn revoke(app: &App, caller: &SignedIn, user: UserId, key: ApiKeyId) -> Result<(), Problem> {
    let write = app.database.write().await?;
    if !store::revoke(&write, user, key, app.clock.now_micros()).await? {
        return Err(Problem::new(Code::NotFound));
    }
    let event = Event::new(Kind::ApiKeyRevoked, caller.into(), &app.clock).about(user);
    write.audit(event.with("key", key.to_string()));
    revocations::record(&write, &Revocation::ApiKey { key, expires_at: app.tokens_die_at() }).await?;
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}
