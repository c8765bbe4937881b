//! What the handlers of both versions do; each version only says how a user looks.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, LINK};
use shared::auth::{Caller, SignedIn};
use shared::domain::paging::Paged;
use shared::http::{Conditions, QueryPairs};
use shared::problem::Problem;

use super::admin::{self, Standing};
use super::error::UserError;
use super::model::User;
use super::register::{self, RegisterRequest};
use super::representation::Representation;
use super::target::Target;
use super::{list, ops};
use crate::app::App;
use crate::db::Write;
use crate::idempotency::{Answer, IdempotencyKey, once, replay};
use crate::roles::RolesRequest;

/// A user with their entity tag.
fn show<V: Representation>(user: User) -> Result<Answer, Problem> {
    let tag = V::VERSION.tag(&user);
    Ok(Answer::json(StatusCode::OK, &V::View::from(user))?.header("etag", tag))
}

pub(super) async fn register<V: Representation>(
    app: &App,
    request: &RegisterRequest,
    caller: Caller,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    Ok(register::register::<V>(app, request, key, app.journal.by(caller)).await?.into())
}

pub(super) async fn get<V: Representation>(
    app: &App,
    caller: &SignedIn,
    target: Target,
    conditions: &Conditions,
) -> Result<HttpResponse, Problem> {
    let user = ops::read(app, caller, target, conditions).await?;
    let tag = V::VERSION.tag(&user);
    if conditions.unchanged(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(show::<V>(user)?.into())
}

pub(super) async fn patch<V: Representation>(
    app: &App,
    caller: &SignedIn,
    target: Target,
    conditions: &Conditions,
    patch: V::Patch,
) -> Result<HttpResponse, Problem> {
    let changes = V::changes(patch, app.clock.now().date())?;
    Ok(show::<V>(ops::patch(app, caller, target, V::VERSION, conditions, &changes).await?)?.into())
}

pub(super) async fn delete<V: Representation>(
    app: &App,
    caller: &SignedIn,
    target: Target,
    conditions: &Conditions,
) -> Result<HttpResponse, Problem> {
    ops::delete(app, caller, target, V::VERSION, conditions).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}

pub(super) async fn set_roles<V: Representation>(
    app: &App,
    caller: &SignedIn,
    target: Target,
    conditions: &Conditions,
    request: RolesRequest,
) -> Result<HttpResponse, Problem> {
    let user = admin::set_roles(app, caller, target, V::VERSION, conditions, request).await?;
    Ok(show::<V>(user)?.into())
}

pub(super) async fn set_standing<V: Representation>(
    app: &App,
    caller: &SignedIn,
    target: Target,
    conditions: &Conditions,
    key: IdempotencyKey,
    wanted: Standing,
) -> Result<HttpResponse, Problem> {
    let id = target.id(caller);
    let claim = key.claim(caller.user.id.to_string(), &serde_json::json!({"id": id}), None);
    if let Some(first) = replay(app, claim.as_ref()).await? {
        return Ok(first.into());
    }
    let work = async |write: &Write| -> Result<Answer, UserError> {
        let user = admin::set_standing(app, write, caller, id, V::VERSION, conditions, wanted).await?;
        Ok(show::<V>(user)?.about(id))
    };
    let answer = once(app, claim.as_ref(), None, work).await?;
    app.relay.flush().await;
    Ok(answer.into())
}

pub(super) async fn list_paged<V: Representation>(
    app: &App,
    query: QueryPairs,
    path: &str,
) -> Result<HttpResponse, Problem> {
    let (request, filter, query) = list::parse_paged(query)?;
    let (users, total) = list::page(app.database.read(), &request, &filter).await?;
    let views: Vec<V::View> = users.into_iter().map(V::View::from).collect();
    let page = Paged::new(views, total, &request, path, &query);
    let link = page.link_header();
    Ok(Answer::json(StatusCode::OK, &page)?.header(LINK.as_str(), link).into())
}

pub(super) async fn list_after<V: Representation>(app: &App, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let (request, filter) = list::parse_cursor(query)?;
    let page = list::after(app.database.read(), &request, &filter).await?;
    Ok(Answer::json(StatusCode::OK, &page.map(V::View::from))?.into())
}
