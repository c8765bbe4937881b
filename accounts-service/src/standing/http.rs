//! The routes under /standing-orders.

use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::{HttpRequest, HttpResponse, Scope, web};
use sha2::{Digest, Sha256};
use shared::auth::SignedIn;
use shared::domain::paging::{CursorPage, CursorRequest};
use shared::domain::{AccountId, StandingOrderId};
use shared::http::{Body, Conditions, Id, NoQuery, QueryPairs, WithoutQuery};
use shared::problem::{Code, Problem};

use super::body::{NewStandingOrder, StandingOrderPatch};
use super::error::StandingError;
use super::model::{RunBody, StandingOrderBody};
use super::ops;
use super::store::{self, Filter};
use crate::accounts::{may_see_all, one_of};
use crate::app::App;
use crate::cursor::List;
use crate::db;
use crate::idempotency::{Claim, KeyHeader, Stored, cut, digest, once};
use crate::routes::{base, read, resource};

/// Registers them.
pub fn routes(scope: Scope) -> Scope {
    scope
        .service(resource("/standing-orders", "GET, HEAD, POST").route(read().to(list)).route(web::post().to(create)))
        .service(
            resource("/standing-orders/{id}", "GET, HEAD, PATCH, DELETE")
                .route(read().to(get))
                .route(web::patch().to(patch))
                .route(web::delete().to(cancel)),
        )
        .service(resource("/standing-orders/{id}/runs", "GET, HEAD").route(read().to(runs)))
}

/// Makes a standing order: a payment on each date of a rule, once per date whatever happens, out of a user account of the caller's. A date is not paid when the payment is declined on it; for too little money it can be tried again. Dates that pass while the service is away are made up for, the latest 31.
#[utoipa::path(
    post, path = "/standing-orders", operation_id = "create_standing_order", tag = "Standing orders",
    request_body = NewStandingOrder,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry the same request; kept 30 days")),
    responses((status = 201, description = "Made", body = StandingOrderBody)),
)]
pub async fn create(
    who: SignedIn,
    app: web::Data<App>,
    key: KeyHeader,
    request: HttpRequest,
    WithoutQuery(Body(new)): WithoutQuery<Body<NewStandingOrder>>,
) -> Result<HttpResponse, Problem> {
    let schedule = new.check()?;
    let claim = key.optional()?.map(|key| Claim {
        digest: digest(who.user.id, "POST /standing-orders", &key),
        fingerprint: fingerprint(&new),
    });
    let base = base(&request);
    let stored = once(&app, claim, async |tx| {
        let body = ops::create(tx, &app.clock, &who, (new, schedule)).await?;
        Ok(Stored { location: Some(format!("{base}/standing-orders/{}", body.id)), ..stored(201, &body) })
    });
    Ok(stored.await?.into())
}

/// Lists the caller's standing orders, newest first; `scope=all` for support, treasurer and admin.
#[utoipa::path(
    get, path = "/standing-orders", operation_id = "list_standing_orders", tag = "Standing orders",
    params(("cursor" = Option<String>, Query, description = "Where to go on"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent"), ("scope" = Option<String>, Query, description = "own or all"), ("status" = Option<String>, Query, description = "active, paused, ended or cancelled"), ("account_id" = Option<String>, Query, description = "With this account on a side")),
    responses((status = 200, description = "A page", body = crate::openapi::StandingOrderPage)),
)]
pub async fn list(who: SignedIn, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let query = query.only(&["cursor", "limit", "scope", "status", "account_id"])?;
    let all = one_of("scope", query.get("scope"), &["own", "all"])?.is_some_and(|scope| scope == "all");
    if all && !may_see_all(&who) {
        return Err(Problem::new(Code::Forbidden).detail("Only support, treasurer and admin list all standing orders."));
    }
    let filter = Filter {
        owner: (!all).then_some(who.user.id),
        status: one_of("status", query.get("status"), &["active", "paused", "ended", "cancelled"])?,
        account: query.get("account_id").map(account).transpose()?,
    };
    let request = CursorRequest::parse(&query)?;
    let orders = List::new("standing-orders", &filter);
    let before = orders.position::<StandingOrderId>(&request)?;
    let rows = app.db.list(async |db| store::list(db, &filter, before, request.limit).await).await;
    let rows = rows.map_err(db::problem)?;
    let page = CursorPage::new(rows, request.limit, |row| orders.mark(StandingOrderId::from(row.id)));
    let data = page.data.into_iter().map(StandingOrderBody::try_from).collect::<Result<Vec<_>, _>>();
    let page = CursorPage { data: data.map_err(StandingError::from)?, page: page.page };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(page))
}

/// Shows a standing order: the owner's own, any to support, treasurer and admin.
#[utoipa::path(
    get, path = "/standing-orders/{id}", operation_id = "get_standing_order", tag = "Standing orders",
    params(("id" = StandingOrderId, Path, description = "The order's id"), ("If-None-Match" = Option<String>, Header, description = "304 when unchanged")),
    responses((status = 200, description = "The order, with its ETag", body = StandingOrderBody), (status = 304, description = "Unchanged")),
)]
pub async fn get(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<StandingOrderId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let row = store::visible(&app.db, &who, id).await?;
    let body = StandingOrderBody::try_from(row).map_err(StandingError::from)?;
    let etag = body.etag();
    if conditions.unchanged(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    Ok(stored(200, &body).into())
}

/// Changes a standing order (RFC 7396 merge patch), or pauses it and lets it go on. The owner; treasurer and admin pause and let go on. No payment of what was before comes after the answer.
#[utoipa::path(
    patch, path = "/standing-orders/{id}", operation_id = "change_standing_order", tag = "Standing orders",
    request_body(content((StandingOrderPatch = "application/merge-patch+json"), (StandingOrderPatch = "application/json"))),
    params(("id" = StandingOrderId, Path, description = "The order's id"), ("If-Match" = Option<String>, Header, description = "412 when the order has another version")),
    responses((status = 200, description = "As it is now", body = StandingOrderBody)),
)]
pub async fn patch(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<StandingOrderId>,
    conditions: Conditions,
    WithoutQuery(Body(patch)): WithoutQuery<Body<StandingOrderPatch>>,
) -> Result<HttpResponse, Problem> {
    patch.check()?;
    let changed = once(&app, None, async |tx| {
        Ok(stored(200, &ops::change(tx, &app.clock, &who, (id, &conditions), patch).await?))
    });
    Ok(changed.await?.into())
}

/// Cancels a standing order for good; it stays to be seen. The owner, treasurer or admin. No payment of it comes after the answer.
#[utoipa::path(
    delete, path = "/standing-orders/{id}", operation_id = "cancel_standing_order", tag = "Standing orders",
    params(("id" = StandingOrderId, Path, description = "The order's id"), ("If-Match" = Option<String>, Header, description = "412 when the order has another version")),
    responses((status = 204, description = "Cancelled, or over before")),
)]
pub async fn cancel(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<StandingOrderId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let tx = app.db.write().await.map_err(db::problem)?;
    ops::cancel(&tx, &app.clock, &who, (id, &conditions)).await?;
    tx.commit().await.map_err(db::problem)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists what became of a standing order's dates, the latest first, each attempt on its own.
#[utoipa::path(
    get, path = "/standing-orders/{id}/runs", operation_id = "list_standing_order_runs", tag = "Standing orders",
    params(("id" = StandingOrderId, Path, description = "The order's id"), ("cursor" = Option<String>, Query, description = "Where to go on"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent")),
    responses((status = 200, description = "A page", body = crate::openapi::StandingOrderRunPage)),
)]
pub async fn runs(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<StandingOrderId>,
    query: QueryPairs,
) -> Result<HttpResponse, Problem> {
    let request = CursorRequest::parse(&query.only(&["cursor", "limit"])?)?;
    let runs = List::new("standing-order-runs", &id);
    let before = runs.position::<(String, i32)>(&request)?;
    store::visible(&app.db, &who, id).await?;
    let rows = app.db.list(async |db| store::runs(db, id, before.clone(), request.limit).await).await;
    let rows = rows.map_err(db::problem)?;
    let page = CursorPage::new(rows, request.limit, |row| runs.mark((row.due_on.clone(), row.attempt)));
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(page.map(RunBody::from)))
}

fn stored(status: u16, body: &StandingOrderBody) -> Stored {
    Stored { status, location: None, etag: Some(body.etag()), body: body.json(), replayed: false }
}

fn account(text: &str) -> Result<AccountId, Problem> {
    text.parse().map_err(|_| Problem::new(Code::MalformedQuery).error("?account_id", "uuid", "an account's id"))
}

/// What was asked, whatever the order of members and the spacing of the body.
fn fingerprint(new: &NewStandingOrder) -> uuid::Uuid {
    let mut hash = Sha256::new();
    hash.update(new.payment().fingerprint());
    let rest = (&new.rule, &new.time_zone, &new.starts_on, &new.ends_on);
    hash.update(serde_json::to_vec(&(rest, new.most_runs, new.retries)).unwrap_or_default());
    cut(hash)
}
