//! The routes under /exchanges and /exchange-rates.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Scope, web};
use shared::auth::SignedIn;
use shared::domain::paging::{CursorPage, CursorRequest};
use shared::domain::{ExchangeId, ExchangeRateId, UserId};
use shared::http::{Body, Conditions, Id, NoQuery, QueryPairs, WithoutQuery, entity_tag};
use shared::problem::{CONTENT_TYPE_PROBLEM, Code, Problem};
use shared::wire::idempotency::REPLAYED_HEADER;

use super::body::{NewExchange, NewExchangeRate};
use super::model::{ExchangeBody, ExchangeRateBody};
use super::store::{self, RateFilter};
use super::{ops, rates};
use crate::accounts::{may_see_all, one_of};
use crate::app::App;
use crate::cursor::List;
use crate::db;
use crate::idempotency::{Claim, KeyHeader, Stored, digest, once};
use crate::posting::{Answer, Outcome, made_exchange};
use crate::query::currency;
use crate::routes::{base, read, resource};

/// Registers them.
pub fn routes(scope: Scope) -> Scope {
    scope
        .service(resource("/exchanges", "GET, HEAD, POST").route(read().to(list)).route(web::post().to(post)))
        .service(resource("/exchanges/{id}", "GET, HEAD").route(read().to(get)))
        .service(
            resource("/exchange-rates", "GET, HEAD, POST").route(read().to(list_rates)).route(web::post().to(set_rate)),
        )
        .service(resource("/exchange-rates/{id}", "GET, HEAD").route(read().to(get_rate)))
}

/// Pays in one currency and has its worth arrive in another, both or neither, at the rate in force when it commits. What arrives is rounded down to whole minor units; what that takes is booked, never lost. `dry_run=true` is a quote: it decides and says (200, with `id` null), changes nothing and needs no key.
#[utoipa::path(
    post, path = "/exchanges", operation_id = "post_exchange", tag = "Exchanges",
    request_body = NewExchange,
    params(("Idempotency-Key" = Option<String>, Header, description = "Required unless dry_run=true: 1 to 255 visible ASCII characters; kept for ever"), ("dry_run" = Option<bool>, Query, description = "Only decide")),
    responses((status = 201, description = "Made", body = ExchangeBody), (status = 200, description = "Would be made: a dry run", body = ExchangeBody)),
)]
pub async fn post(
    who: SignedIn,
    app: web::Data<App>,
    query: QueryPairs,
    key: KeyHeader,
    request: HttpRequest,
    Body(new): Body<NewExchange>,
) -> Result<HttpResponse, Problem> {
    let dry_run = query.only(&["dry_run"])?.flag("dry_run")?;
    if dry_run {
        let exchanged = ops::dry_run(&app, &who, key.optional()?, new).await?;
        return Ok(json(StatusCode::OK).body(ExchangeBody::trial(&exchanged).json()));
    }
    let answer = ops::make(&app, &who, &key.required()?, new).await?;
    respond(&app, answer, base(&request)).await
}

/// Lists the caller's exchanges in their order of commit, newest first; `scope=all` for support, treasurer and admin.
#[utoipa::path(
    get, path = "/exchanges", operation_id = "list_exchanges", tag = "Exchanges",
    params(("cursor" = Option<String>, Query, description = "Where to go on"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent"), ("scope" = Option<String>, Query, description = "own or all")),
    responses((status = 200, description = "A page", body = crate::openapi::ExchangePage)),
)]
pub async fn list(who: SignedIn, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let query = query.only(&["cursor", "limit", "scope"])?;
    let all = one_of("scope", query.get("scope"), &["own", "all"])?.is_some_and(|scope| scope == "all");
    if all && !may_see_all(&who) {
        return Err(Problem::new(Code::Forbidden).detail("Only support, treasurer and admin list all exchanges."));
    }
    let maker = (!all).then_some(who.user.id);
    let request = CursorRequest::parse(&query)?;
    let exchanges = List::new("exchanges", &maker);
    let before = exchanges.position::<i64>(&request)?;
    let rows =
        app.db.list(async |db| store::whole(db, store::exchanges(db, maker, before, request.limit).await?).await);
    let rows = rows.await.map_err(db::problem)?;
    let page = CursorPage::new(rows, request.limit, |(row, ..)| exchanges.mark(row.position));
    let data = page.data.into_iter().map(ExchangeBody::try_from).collect::<Result<Vec<_>, _>>();
    let page = CursorPage { data: data.map_err(Problem::internal)?, page: page.page };
    Ok(json(StatusCode::OK).json(page))
}

/// Shows an exchange to whoever made it, support, treasurer and admin. Its transfers are shown to the owners of their sides.
#[utoipa::path(
    get, path = "/exchanges/{id}", operation_id = "get_exchange", tag = "Exchanges",
    params(("id" = ExchangeId, Path, description = "The exchange's id"), ("If-None-Match" = Option<String>, Header, description = "304: it never changes")),
    responses((status = 200, description = "The exchange", body = ExchangeBody), (status = 304, description = "Unchanged")),
)]
pub async fn get(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<ExchangeId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let maker = (!may_see_all(&who)).then_some(who.user.id);
    let body = shown(&app, id, maker).await?;
    let etag = entity_tag(id);
    if conditions.unchanged(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    Ok(json(StatusCode::OK).insert_header((ETAG, etag)).body(body.json()))
}

/// Sets a rate between two currencies, in force at once and until the next is set or it lapses; after the answer nothing is exchanged at the old one. Treasurer.
#[utoipa::path(
    post, path = "/exchange-rates", operation_id = "set_exchange_rate", tag = "Exchanges",
    request_body = NewExchangeRate,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry the same request; kept 30 days")),
    responses((status = 201, description = "Set", body = ExchangeRateBody)),
)]
pub async fn set_rate(
    who: SignedIn,
    app: web::Data<App>,
    key: KeyHeader,
    request: HttpRequest,
    WithoutQuery(Body(new)): WithoutQuery<Body<NewExchangeRate>>,
) -> Result<HttpResponse, Problem> {
    let claim = key
        .optional()?
        .map(|key| Claim { digest: digest(who.user.id, "POST /exchange-rates", &key), fingerprint: new.fingerprint() });
    let base = base(&request);
    let stored = once(&app, claim, async |tx| {
        let body = rates::set(tx, &app.clock, &who, new).await?;
        let location = Some(format!("{base}/exchange-rates/{}", body.id));
        Ok(Stored { status: 201, location, etag: Some(body.etag()), body: body.json(), replayed: false })
    });
    Ok(stored.await?.into())
}

/// Lists rates, newest first: of each pair the first is the one in force, unless it has lapsed, or another was set while the list came from a standby that is a little behind.
#[utoipa::path(
    get, path = "/exchange-rates", operation_id = "list_exchange_rates", tag = "Exchanges",
    params(("cursor" = Option<String>, Query, description = "Where to go on"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent"), ("base" = Option<String>, Query, description = "ISO 4217"), ("quote" = Option<String>, Query, description = "ISO 4217")),
    responses((status = 200, description = "A page", body = crate::openapi::ExchangeRatePage)),
)]
pub async fn list_rates(_: SignedIn, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let query = query.only(&["cursor", "limit", "base", "quote"])?;
    let filter = RateFilter { base: currency(&query, "base")?, quote: currency(&query, "quote")? };
    let request = CursorRequest::parse(&query)?;
    let rates = List::new("exchange-rates", &filter);
    let before = rates.position::<i64>(&request)?;
    let rows = app.db.list(async |db| store::rates(db, &filter, before, request.limit).await).await;
    let rows = rows.map_err(db::problem)?;
    let page = CursorPage::new(rows, request.limit, |row| rates.mark(row.position));
    Ok(json(StatusCode::OK).json(page.map(ExchangeRateBody::from)))
}

/// Shows a rate.
#[utoipa::path(
    get, path = "/exchange-rates/{id}", operation_id = "get_exchange_rate", tag = "Exchanges",
    params(("id" = ExchangeRateId, Path, description = "The rate's id"), ("If-None-Match" = Option<String>, Header, description = "304: it never changes")),
    responses((status = 200, description = "The rate", body = ExchangeRateBody), (status = 304, description = "Unchanged")),
)]
pub async fn get_rate(
    _: SignedIn,
    app: web::Data<App>,
    Id(id): Id<ExchangeRateId>,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let row = store::rate(&app.db, id).await.map_err(db::problem)?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let body = ExchangeRateBody::from(row);
    let etag = body.etag();
    if conditions.unchanged(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    Ok(json(StatusCode::OK).insert_header((ETAG, etag)).json(body))
}

fn json(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, "application/json")).insert_header((CACHE_CONTROL, "no-store"));
    response
}

async fn shown(app: &App, id: ExchangeId, maker: Option<UserId>) -> Result<ExchangeBody, Problem> {
    let row = store::exchange(&app.db, id, maker).await.map_err(db::problem)?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    let whole = store::whole(&app.db, vec![row]).await.map_err(db::problem)?;
    let rows = whole.into_iter().next().ok_or_else(|| Problem::new(Code::NotFound))?;
    ExchangeBody::try_from(rows).map_err(Problem::internal)
}

/// What was made is read from its rows, so that the first answer and its replay differ in one header only.
async fn respond(app: &App, answer: Answer, base: &str) -> Result<HttpResponse, Problem> {
    let Outcome::Stored(status, body) = answer.outcome else {
        return Err(Problem::internal("the key of an exchange holds a transfer"));
    };
    let mut response = match made_exchange(&body) {
        Some(id) => {
            let made = shown(app, id, None).await?;
            let mut response = json(StatusCode::CREATED);
            response.insert_header((LOCATION, format!("{base}/exchanges/{id}")));
            response.insert_header((ETAG, entity_tag(id)));
            (response, made.json().into())
        }
        None => {
            let mut response = json(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
            response.insert_header((CONTENT_TYPE, CONTENT_TYPE_PROBLEM));
            (response, body)
        }
    };
    if answer.replayed {
        response.0.insert_header((REPLAYED_HEADER, "true"));
    }
    Ok(response.0.body(response.1))
}
