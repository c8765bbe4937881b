//! The routes under /accounts.

use actix_web::http::header::{CACHE_CONTROL, ETAG, LINK};
use actix_web::{HttpRequest, HttpResponse, Route, Scope, web};
use sha2::{Digest, Sha256};
use shared::auth::SignedIn;
use shared::domain::AccountId;
use shared::domain::paging::{CursorPage, CursorRequest, Order, PageRequest, Paged};
use shared::http::{Body, Conditions, Id, NoQuery, QueryPairs, WithoutQuery};
use shared::problem::{Code, Problem};
use shared::wire::idempotency::Key;
use uuid::Uuid;

use super::bodiless::Bodiless;
use super::labels::LabelFilter;
use super::model::{AccountBody, AccountPatch, NewAccount, change, one_of};
use super::ops::{self, Step};
use super::store::{self, Filter};
use crate::app::App;
use crate::cursor::List;
use crate::db;
use crate::idempotency::{Claim, KeyHeader, Stored, cut, digest, once};
use crate::query::currency;
use crate::routes::{base, read, resource};

const PAGING: [&str; 6] = ["page", "per_page", "skip", "limit", "sort_by", "sort_order"];
const CURSOR: [&str; 2] = ["cursor", "limit"];
const FILTERS: [&str; 6] = ["scope", "status", "kind", "currency", "label", "q"];
/// Characters of a text that is looked for.
const MAX_Q: usize = 100;
const SORTABLE: [&str; 3] = ["created_at", "name", "balance"];

/// Registers them; `list` is what the versions differ in.
pub fn routes(scope: Scope, list: Route) -> Scope {
    scope
        .service(resource("/accounts", "GET, HEAD, POST").route(list).route(web::post().to(open)))
        .service(resource("/accounts/{id}", "GET, HEAD, PATCH").route(read().to(get)).route(web::patch().to(patch)))
        .service(resource("/accounts/{id}/freeze", "POST").route(web::post().to(freeze)))
        .service(resource("/accounts/{id}/unfreeze", "POST").route(web::post().to(unfreeze)))
        .service(resource("/accounts/{id}/close", "POST").route(web::post().to(close)))
}

/// Opens an account of the caller's. `kind: "system"` needs the role treasurer. Of user accounts one has a bounded number (1,000 unless it is set otherwise), closed ones included: 409 `too_many_accounts`.
#[utoipa::path(
    post, path = "/accounts", operation_id = "open_account", tag = "Accounts",
    request_body = NewAccount,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry the same request; kept 30 days")),
    responses((status = 201, description = "Opened", body = AccountBody)),
)]
pub async fn open(
    who: SignedIn,
    app: web::Data<App>,
    key: KeyHeader,
    request: HttpRequest,
    WithoutQuery(Body(new)): WithoutQuery<Body<NewAccount>>,
) -> Result<HttpResponse, Problem> {
    let mut hash = Sha256::new();
    hash.update(new.currency.code());
    hash.update(new.kind.as_str());
    hash.update(new.name.clone().into_inner());
    let claim = claim(&who, "POST /accounts", key.optional()?, cut(hash));
    let base = base(&request);
    let stored = once(&app, claim, async |tx| {
        let body = ops::open(tx, &app.clock, (&who, app.accounts_per_user), new).await?;
        Ok(Stored { location: Some(format!("{base}/accounts/{}", body.id)), ..stored(201, &body) })
    });
    Ok(stored.await?.into())
}

/// Lists the caller's accounts, newest first; `scope=all` for support, treasurer and admin.
#[utoipa::path(
    get, path = "/api/v1/accounts", operation_id = "list_accounts", tag = "Accounts",
    params(("scope" = Option<String>, Query, description = "own or all"), ("status" = Option<String>, Query, description = "open, frozen or closed"), ("kind" = Option<String>, Query, description = "user or system"), ("currency" = Option<String>, Query, description = "ISO 4217"), ("label" = Option<String>, Query, description = "With this label: name:value"), ("q" = Option<String>, Query, description = "With this in the name, letters of ASCII in any case"), ("page" = Option<u64>, Query, description = "From 1"), ("per_page" = Option<u32>, Query, description = "1 to 100, 20 when absent"), ("skip" = Option<u64>, Query, description = "Rows to pass over: with limit, instead of page and per_page"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent: with skip"), ("sort_by" = Option<String>, Query, description = "created_at, name or balance"), ("sort_order" = Option<String>, Query, description = "asc or desc")),
    responses((status = 200, description = "A page", body = crate::openapi::AccountPage)),
)]
pub async fn list(
    who: SignedIn,
    app: web::Data<App>,
    request: HttpRequest,
    query: QueryPairs,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&[PAGING.as_slice(), &FILTERS].concat())?;
    let filter = filter(&who, &query)?;
    let page = PageRequest::parse(&query, &SORTABLE, Order::Desc)?;
    let now = app.clock.now_micros();
    let (rows, total) =
        app.db.list(async |db| store::page(db, &filter, &page, now).await).await.map_err(db::problem)?;
    let bodies = rows.into_iter().map(AccountBody::of).collect::<Result<Vec<_>, _>>()?;
    let paged = Paged::new(bodies, total, &page, request.path(), &query);
    Ok(HttpResponse::Ok()
        .insert_header((LINK, paged.link_header()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(paged))
}

/// Lists the caller's accounts, newest first; `scope=all` for support, treasurer and admin.
#[utoipa::path(
    get, path = "/api/v2/accounts", operation_id = "list_accounts", tag = "Accounts",
    params(("scope" = Option<String>, Query, description = "own or all"), ("status" = Option<String>, Query, description = "open, frozen or closed"), ("kind" = Option<String>, Query, description = "user or system"), ("currency" = Option<String>, Query, description = "ISO 4217"), ("label" = Option<String>, Query, description = "With this label: name:value"), ("q" = Option<String>, Query, description = "With this in the name, letters of ASCII in any case"), ("cursor" = Option<String>, Query, description = "Where to go on"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent")),
    responses((status = 200, description = "A page", body = crate::openapi::AccountCursorPage)),
)]
pub async fn list_by_cursor(who: SignedIn, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let query = query.only(&[CURSOR.as_slice(), &FILTERS].concat())?;
    let filter = filter(&who, &query)?;
    let request = CursorRequest::parse(&query)?;
    let accounts = List::new("accounts", &filter);
    let before = accounts.position::<(i64, AccountId)>(&request)?;
    let rows = (request.limit, app.clock.now_micros());
    let rows = app.db.list(async |db| store::cursor(db, &filter, before, rows).await).await.map_err(db::problem)?;
    let page = CursorPage::new(rows, request.limit, |row| {
        accounts.mark((row.account.created_at, AccountId::from(row.account.id)))
    });
    let data = page.data.into_iter().map(AccountBody::of).collect::<Result<_, _>>()?;
    let page: CursorPage<AccountBody> = CursorPage { data, page: page.page };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(page))
}

/// Shows an account: the owner's own, any to support, treasurer and admin.
#[utoipa::path(
    get, path = "/accounts/{id}", operation_id = "get_account", tag = "Accounts",
    params(("id" = AccountId, Path, description = "The account's id"), ("If-None-Match" = Option<String>, Header, description = "304 when unchanged")),
    responses((status = 200, description = "The account, with its ETag", body = AccountBody), (status = 304, description = "Unchanged")),
)]
pub async fn get(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<AccountId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let body = AccountBody::of(store::shown(&app.db, &who, id, app.clock.now_micros()).await?)?;
    let etag = body.etag();
    if conditions.unchanged(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    Ok(stored(200, &body).into())
}

/// Changes an account (RFC 7396 merge patch): its name and labels, which is for the owner, or its floor and ceiling, which is for treasurer and admin, and not on a user account of their own; a floor below zero, or none, for treasurers only. Bounds that the balance does not keep are refused with 409.
#[utoipa::path(
    patch, path = "/accounts/{id}", operation_id = "change_account", tag = "Accounts",
    request_body(content((AccountPatch = "application/merge-patch+json"), (AccountPatch = "application/json"))),
    params(("id" = AccountId, Path, description = "The account's id"), ("If-Match" = Option<String>, Header, description = "412 when the account has another version")),
    responses((status = 200, description = "As it is now", body = AccountBody)),
)]
pub async fn patch(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<AccountId>,
    conditions: Conditions,
    WithoutQuery(Body(patch)): WithoutQuery<Body<AccountPatch>>,
) -> Result<HttpResponse, Problem> {
    let change = change(patch)?;
    let changed = once(&app, None, async |tx| {
        Ok(stored(200, &ops::change(tx, &app.clock, &who, (id, &conditions), change).await?))
    });
    Ok(changed.await?.into())
}

/// What freeze, unfreeze and close all read from their request.
type Asked = (SignedIn, web::Data<App>, Id<AccountId>, KeyHeader, Conditions, WithoutQuery<Bodiless>);

/// Stops debits. Treasurer or admin; no debit commits after the answer.
#[utoipa::path(
    post, path = "/accounts/{id}/freeze", operation_id = "freeze_account", tag = "Accounts",
    params(("id" = AccountId, Path, description = "The account's id"), ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry the same request; kept 30 days"), ("If-Match" = Option<String>, Header, description = "412 when the account has another version")),
    responses((status = 200, description = "Frozen", body = AccountBody)),
)]
pub async fn freeze(asked: Asked) -> Result<HttpResponse, Problem> {
    step(asked, Step::Freeze).await
}

/// Allows debits again. Treasurer or admin.
#[utoipa::path(
    post, path = "/accounts/{id}/unfreeze", operation_id = "unfreeze_account", tag = "Accounts",
    params(("id" = AccountId, Path, description = "The account's id"), ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry the same request; kept 30 days"), ("If-Match" = Option<String>, Header, description = "412 when the account has another version")),
    responses((status = 200, description = "Open", body = AccountBody)),
)]
pub async fn unfreeze(asked: Asked) -> Result<HttpResponse, Problem> {
    step(asked, Step::Unfreeze).await
}

/// Closes an empty account for ever. The owner, treasurer or admin.
#[utoipa::path(
    post, path = "/accounts/{id}/close", operation_id = "close_account", tag = "Accounts",
    params(("id" = AccountId, Path, description = "The account's id"), ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry the same request; kept 30 days"), ("If-Match" = Option<String>, Header, description = "412 when the account has another version")),
    responses((status = 200, description = "Closed", body = AccountBody)),
)]
pub async fn close(asked: Asked) -> Result<HttpResponse, Problem> {
    step(asked, Step::Close).await
}

async fn step((who, app, Id(id), key, conditions, _): Asked, step: Step) -> Result<HttpResponse, Problem> {
    // No body: which account is what the key stands for.
    let claim = claim(&who, step.route(), key.optional()?, id.as_uuid());
    let stepped =
        once(&app, claim, async |tx| Ok(stored(200, &ops::step(tx, &app.clock, &who, (id, &conditions), step).await?)));
    Ok(stepped.await?.into())
}

fn stored(status: u16, body: &AccountBody) -> Stored {
    Stored { status, location: None, etag: Some(body.etag()), body: body.json(), replayed: false }
}

fn claim(who: &SignedIn, route: &'static str, key: Option<Key>, fingerprint: Uuid) -> Option<Claim> {
    key.map(|key| Claim { digest: digest(who.user.id, route, &key), fingerprint })
}

fn filter(who: &SignedIn, query: &QueryPairs) -> Result<Filter, Problem> {
    let all = one_of("scope", query.get("scope"), &["own", "all"])?.is_some_and(|scope| scope == "all");
    if all && !store::may_see_all(who) {
        return Err(Problem::new(Code::Forbidden).detail("Only support, treasurer and admin list all accounts."));
    }
    Ok(Filter {
        owner: (!all).then_some(who.user.id),
        status: one_of("status", query.get("status"), &["open", "frozen", "closed"])?,
        kind: one_of("kind", query.get("kind"), &["user", "system"])?,
        currency: currency(query, "currency")?,
        label: query.get("label").map(LabelFilter::parse).transpose()?,
        q: query.get("q").map(sought).transpose()?,
    })
}

fn sought(text: &str) -> Result<String, Problem> {
    if (1..=MAX_Q).contains(&text.chars().count()) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(Code::ValidationFailed).error("?q", "length", format!("1 to {MAX_Q} characters")))
}
