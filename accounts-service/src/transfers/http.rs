//! The routes under /transfers.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use shared::auth::SignedIn;
use shared::domain::TransferId;
use shared::domain::paging::{CursorPage, CursorRequest};
use shared::http::{Body, Conditions, Id, QueryPairs, entity_tag};
use shared::problem::{CONTENT_TYPE_PROBLEM, Problem};
use shared::wire::idempotency::REPLAYED_HEADER;

use super::body::{NewBatch, NewTransfer};
use super::list::{self, PARAMETERS};
use super::model::Transfer;
use super::store::{self, Window};
use super::{batch, ops, render};
use crate::accounts::may_see_all;
use crate::app::App;
use crate::db;
use crate::idempotency::KeyHeader;
use crate::posting::{Answer, Outcome};
use crate::routes::base;

/// POST /transfers
pub async fn post(
    who: SignedIn,
    app: web::Data<App>,
    query: QueryPairs,
    key: KeyHeader,
    request: HttpRequest,
    Body(new): Body<NewTransfer>,
) -> Result<HttpResponse, Problem> {
    let dry_run = query.only(&["dry_run"])?.flag("dry_run")?;
    new.check()?;
    if dry_run {
        let draft = ops::dry_run(&app, &who, key.optional()?, new).await?;
        return Ok(json(StatusCode::OK).body(render::dry_run(&draft)));
    }
    let answer = ops::post(&app, &who, &key.required()?, new).await?;
    Ok(respond(answer, base(&request)))
}

/// POST /transfers/batch
pub async fn post_batch(
    who: SignedIn,
    app: web::Data<App>,
    query: QueryPairs,
    key: KeyHeader,
    request: HttpRequest,
    Body(new): Body<NewBatch>,
) -> Result<HttpResponse, Problem> {
    let dry_run = query.only(&["dry_run"])?.flag("dry_run")?;
    batch::check(&new)?;
    let answer = if dry_run {
        batch::dry_run(&app, &who, key.optional()?, new).await?
    } else {
        batch::post(&app, &who, &key.required()?, new).await?
    };
    Ok(respond(answer, base(&request)))
}

/// GET /transfers
pub async fn list(who: SignedIn, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let query = query.only(&PARAMETERS)?;
    let filter = list::filter(&who, &query)?;
    let request = CursorRequest::parse(&query)?;
    let window = Window {
        descending: list::descending(&query, true)?,
        beyond: request.position::<i64>()?,
        rows: request.limit + 1,
    };
    let rows = store::list(&app.db, &filter, window).await.map_err(db::problem)?;
    let page = CursorPage::new(rows, request.limit, |row| row.position);
    let data = page.data.into_iter().map(Transfer::try_from).collect::<Result<Vec<_>, _>>();
    let page = CursorPage { data: data.map_err(Problem::internal)?, page: page.page };
    Ok(json(StatusCode::OK).json(page))
}

/// GET /transfers/{id}
pub async fn get(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<TransferId>,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let reader = (!may_see_all(&who)).then_some(who.user.id);
    let row = store::visible(&app.db, id, reader).await.map_err(db::problem)?.ok_or_else(ops::not_found)?;
    // A posted transfer never changes.
    let etag = entity_tag(row.position);
    if conditions.unchanged(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    let transfer = Transfer::try_from(row).map_err(Problem::internal)?;
    Ok(json(StatusCode::OK).insert_header((ETAG, etag)).body(render::transfer(&transfer)))
}

fn json(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, "application/json")).insert_header((CACHE_CONTROL, "no-store"));
    response
}

/// The first answer and its replay differ in one header only.
fn respond(answer: Answer, base: &str) -> HttpResponse {
    let (mut response, body) = match answer.outcome {
        Outcome::Posted(draft, posted_at) => {
            let mut response = json(StatusCode::CREATED);
            response.insert_header((LOCATION, format!("{base}/transfers/{}", draft.id)));
            (response, render::transfer(&Transfer { draft, posted_at }).into())
        }
        Outcome::Stored(status, body) => {
            let mut response = json(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
            if status >= 400 {
                response.insert_header((CONTENT_TYPE, CONTENT_TYPE_PROBLEM));
            }
            (response, body)
        }
    };
    if answer.replayed {
        response.insert_header((REPLAYED_HEADER, "true"));
    }
    response.body(body)
}
