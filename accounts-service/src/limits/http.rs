//! The routes under /accounts/{id}/limits.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use actix_web::{HttpResponse, Scope, web};
use shared::auth::SignedIn;
use shared::domain::AccountId;
use shared::http::{Body, Conditions, Id, NoQuery, WithoutQuery};
use shared::problem::Problem;

use super::model::{Limits, NewLimits};
use super::ops::{self, Shown};
use crate::app::App;
use crate::idempotency::{Stored, once};
use crate::routes::{read, resource};

/// Registers them.
pub fn routes(scope: Scope) -> Scope {
    scope.service(resource("/accounts/{id}/limits", "GET, HEAD, PUT").route(read().to(get)).route(web::put().to(put)))
}

/// Shows an account's velocity limits and what of each is used: the owner's own, any to support, treasurer and admin.
#[utoipa::path(
    get, path = "/accounts/{id}/limits", operation_id = "get_limits", tag = "Accounts",
    params(("id" = AccountId, Path, description = "The account's id"), ("If-None-Match" = Option<String>, Header, description = "304 when unchanged")),
    responses((status = 200, description = "The limits, with their ETag", body = Limits), (status = 304, description = "Unchanged")),
)]
pub async fn get(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<AccountId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let Shown { body, etag } = ops::show(&app, &who, id).await?;
    if conditions.unchanged(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, "application/json")).insert_header((CACHE_CONTROL, "no-store"));
    Ok(response.insert_header((ETAG, etag)).body(body))
}

/// Replaces an account's velocity limits: at most so much, and so many debits, in any stretch of time as long as the window. Treasurer or admin.
///
/// A debit counts when it posts, a pending one when it is made; what is released of a hold is given back, what is refunded is not, and refunds out of the account are not limited. Windows are counted in sixtieths: a debit may count up to a sixtieth of the window longer, never shorter. What was debited before counts against new limits as well.
#[utoipa::path(
    put, path = "/accounts/{id}/limits", operation_id = "put_limits", tag = "Accounts",
    request_body = NewLimits,
    params(("id" = AccountId, Path, description = "The account's id"), ("If-Match" = Option<String>, Header, description = "412 when the limits or what is used of them have changed")),
    responses((status = 200, description = "As they are now", body = Limits)),
)]
pub async fn put(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<AccountId>,
    conditions: Conditions,
    WithoutQuery(Body(new)): WithoutQuery<Body<NewLimits>>,
) -> Result<HttpResponse, Problem> {
    let limits = new.read()?;
    let replaced = once(&app, None, async |tx| {
        let Shown { body, etag } = ops::replace(tx, &app.clock, &who, (id, &conditions), limits).await?;
        Ok(Stored { status: 200, location: None, etag: Some(etag), body, replayed: false })
    });
    Ok(replaced.await?.into())
}
