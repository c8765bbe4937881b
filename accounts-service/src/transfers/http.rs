//! The routes under /transfers.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, Scope, web};
use shared::auth::SignedIn;
use shared::domain::TransferId;
use shared::domain::paging::{CursorPage, CursorRequest};
use shared::http::{Body, BodyLimit, Conditions, Id, QueryPairs};
use shared::problem::Problem;

use super::body::{NewBatch, NewTransfer};
use super::list::{self, PARAMETERS};
use super::reading::{self, Window};
use super::render::TransferBody;
use super::respond::{Wanted, wishes};
use super::shown::Shown;
use super::{batch, ops, render};
use crate::accounts::may_see_all;
use crate::app::App;
use crate::cursor::List;
use crate::db;
use crate::history::{Places, places};
use crate::idempotency::KeyHeader;
use crate::routes::{base, read, resource};

/// The largest batch: 8,000 transfers of 524 bytes on average; an ordinary one with a description and a reference has 300. It
/// is held in memory several times over.
const BATCH_BODY: BodyLimit = BodyLimit(4 * 1024 * 1024);

/// Registers them.
pub fn routes(scope: Scope) -> Scope {
    scope
        .service(resource("/transfers", "GET, HEAD, POST").route(read().to(list)).route(web::post().to(post)))
        .service(resource("/transfers/batch", "POST").app_data(BATCH_BODY).route(web::post().to(post_batch)))
        .service(resource("/transfers/{id}", "GET, HEAD").route(read().to(get)))
}

/// Moves money, durably and at once. Debits an account of the caller's (a treasurer: any system account) and credits any open account of the same currency. `dry_run=true` decides and says (200, with `id` null), changes nothing and needs no key. `pending: true` only holds the money: it counts as spent, and is posted, voided, or free again when `expires_in` is over. An `external_ref` is one transfer's only, of all that debit accounts of one owner: 409 `external_ref_taken`.
///
/// `receipt=true` adds a receipt to the transfer: also to one that a key replays. It is signed after the commit; where that cannot be done (503), the same key has it later. A batch has none, nor has an exchange: get each transfer with `receipt=true`.
#[utoipa::path(
    post, path = "/transfers", operation_id = "post_transfer", tag = "Transfers",
    request_body = NewTransfer,
    params(("Idempotency-Key" = Option<String>, Header, description = "Required unless dry_run=true: 1 to 255 visible ASCII characters; kept for ever"), ("dry_run" = Option<bool>, Query, description = "Only decide"), ("receipt" = Option<bool>, Query, description = "With a signed receipt; not in a dry run")),
    responses((status = 201, description = "Posted", body = TransferBody), (status = 200, description = "Would post: a dry run", body = TransferBody)),
)]
pub async fn post(
    who: SignedIn,
    app: web::Data<App>,
    query: QueryPairs,
    key: KeyHeader,
    request: HttpRequest,
    Body(new): Body<NewTransfer>,
) -> Result<HttpResponse, Problem> {
    let (dry_run, receipt) = wishes(query)?;
    new.check()?;
    if dry_run {
        let decided = ops::dry_run(&app, &who, key.optional()?, new).await?;
        return Ok(json(StatusCode::OK).body(render::dry_run(&decided)));
    }
    let key = key.required()?;
    let wanted = Wanted::if_asked(&app, receipt).await?;
    let answer = ops::post(&app, &who, &key, new).await?;
    wanted.respond(answer, base(&request)).await
}

/// Moves money many times under one key. `independent`: each item on its own. `atomic`: all or none; a failing item answers 422 `batch_declined` with the results inside, the others `linked_item_declined`.
#[utoipa::path(
    post, path = "/transfers/batch", operation_id = "post_transfer_batch", tag = "Transfers",
    request_body = NewBatch,
    params(("Idempotency-Key" = Option<String>, Header, description = "Required unless dry_run=true: 1 to 255 visible ASCII characters; kept for ever"), ("dry_run" = Option<bool>, Query, description = "Only decide")),
    responses((status = 200, description = "Each item's own answer", body = crate::openapi::BatchResults)),
)]
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
    Wanted::none(&app).respond(answer, base(&request)).await
}

/// Lists transfers with a side of the caller's in their order of commit, newest first; `scope=all` for support, treasurer and admin.
#[utoipa::path(
    get, path = "/transfers", operation_id = "list_transfers", tag = "Transfers",
    params(("cursor" = Option<String>, Query, description = "Where to go on"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent"), ("sort_order" = Option<String>, Query, description = "asc or desc"), ("scope" = Option<String>, Query, description = "own or all"), ("account_id" = Option<String>, Query, description = "With this account on a side"), ("status" = Option<String>, Query, description = "posted, pending, voided or expired by now"), ("external_ref" = Option<String>, Query, description = "With this reference, on whichever side"), ("pending_of" = Option<String>, Query, description = "What posts or voids this pending transfer"), ("reversal_of" = Option<String>, Query, description = "What pays this transfer back"), ("from" = Option<String>, Query, description = "Recorded then or later"), ("to" = Option<String>, Query, description = "Recorded before; not later than from is an empty list")),
    responses((status = 200, description = "A page", body = crate::openapi::TransferPage)),
)]
pub async fn list(who: SignedIn, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let query = query.only(&PARAMETERS)?;
    let filter = list::filter(&who, &query)?;
    let request = CursorRequest::parse(&query)?;
    let descending = list::descending(&query)?;
    let transfers = List::new("transfers", &(&filter, descending));
    let beyond = transfers.position::<i64>(&request)?;
    let now = app.clock.now_micros();
    let rows = app.db.list(async |db| {
        let Some(stretch) = places(db, filter.from, filter.to).await? else { return Ok(Vec::new()) };
        let Places { above, upto } = stretch.beyond(beyond, descending);
        reading::list(db, &filter, Window { descending, above, upto, rows: request.limit + 1 }, now).await
    });
    let rows = rows.await.map_err(db::problem)?;
    let page = CursorPage::new(rows, request.limit, |row| transfers.mark(row.transfer.position));
    let data = page.data.into_iter().map(Shown::try_from).collect::<Result<Vec<_>, _>>();
    let page = CursorPage { data: data.map_err(Problem::internal)?, page: page.page };
    Ok(json(StatusCode::OK).json(page))
}

/// Shows a transfer to its sides' owners, support, treasurer and admin. `receipt=true` adds a receipt of what was recorded.
#[utoipa::path(
    get, path = "/transfers/{id}", operation_id = "get_transfer", tag = "Transfers",
    params(("id" = TransferId, Path, description = "The transfer's id"), ("receipt" = Option<bool>, Query, description = "With a signed receipt"), ("If-None-Match" = Option<String>, Header, description = "304 when unchanged")),
    responses((status = 200, description = "The transfer", body = TransferBody), (status = 304, description = "Unchanged")),
)]
pub async fn get(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<TransferId>,
    query: QueryPairs,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let receipt = query.only(&["receipt"])?.flag("receipt")?;
    let reader = (!may_see_all(&who)).then_some(who.user.id);
    let read = reading::visible(&app.db, id, (reader, app.clock.now_micros())).await.map_err(db::problem)?;
    let read = read.ok_or_else(ops::not_found)?;
    let position = read.transfer.position;
    let shown = Shown::try_from(read).map_err(Problem::internal)?;
    let unchanged = |etag| Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    if !receipt {
        let etag = shown.standing.etag(id);
        if conditions.unchanged(&etag) {
            return unchanged(etag);
        }
        return Ok(json(StatusCode::OK).insert_header((ETAG, etag)).json(shown));
    }
    let receipts = &app.receipts;
    let kid = receipts.ready().await?;
    let etag = shown.standing.etag_with(id, &receipts.tag(&kid));
    if conditions.unchanged(&etag) && receipts.still_signs(&kid).await? {
        return unchanged(etag);
    }
    let receipt = receipts.of(&shown.transfer, Some(position)).await?;
    let etag = shown.standing.etag_with(id, &receipts.tag(&receipt.kid));
    Ok(json(StatusCode::OK).insert_header((ETAG, etag)).body(render::shown(&shown, &receipt.jws)))
}

pub(super) fn json(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CONTENT_TYPE, "application/json")).insert_header((CACHE_CONTROL, "no-store"));
    response
}
