//! The route of an account's entries.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, Scope, web};
use shared::auth::SignedIn;
use shared::domain::AccountId;
use shared::domain::paging::{CursorPage, CursorRequest, PageInfo, encode_cursor};
use shared::http::{Id, QueryPairs};
use shared::problem::Problem;

use super::model::EntryBody;
use super::narrow::{Filter, PARAMETERS};
use super::store;
use crate::accounts;
use crate::app::App;
use crate::cursor::List;
use crate::db;
use crate::routes::{read, resource};

/// Registers it.
pub fn routes(scope: Scope) -> Scope {
    scope.service(resource("/accounts/{id}/entries", "GET, HEAD").route(read().to(list)))
}

/// How many entries are looked at for those of one side, before a page is answered with what was found.
const LOOKED_AT: i64 = 10_000;

/// Lists an account's entries, oldest first; `seq` counts from 1 without gaps. With `direction` a page may have fewer than `limit` entries although more follow: go on for as long as `has_more` is true.
#[utoipa::path(
    get, path = "/accounts/{id}/entries", operation_id = "list_entries", tag = "Entries",
    params(("id" = AccountId, Path, description = "The account's id"), ("cursor" = Option<String>, Query, description = "Where to go on"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent"), ("sort_order" = Option<String>, Query, description = "asc or desc"), ("from" = Option<String>, Query, description = "Posted then or later"), ("to" = Option<String>, Query, description = "Posted before; not later than from is an empty list"), ("direction" = Option<String>, Query, description = "debit or credit: what the account paid, or received"), ("transfer_id" = Option<String>, Query, description = "The side of this transfer")),
    responses((status = 200, description = "A page", body = crate::openapi::EntryPage)),
)]
pub async fn list(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<AccountId>,
    query: QueryPairs,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&PARAMETERS)?;
    let request = CursorRequest::parse(&query)?;
    let descending = accounts::one_of("sort_order", query.get("sort_order"), &["asc", "desc"])?;
    let descending = descending.is_some_and(|word| word == "desc");
    let filter = Filter::parse(&query)?;
    let entries = List::new("entries", &(id, descending, &filter));
    let beyond = entries.position::<i64>(&request)?;
    accounts::visible(&app.db, &who, id).await?;
    let found = app.db.list(async |db| {
        let Some(stretch) = filter.stretch(db, id).await? else { return Ok((Vec::new(), None)) };
        let left = stretch.beyond(beyond, descending);
        let part = if filter.direction.is_some() { left.part(LOOKED_AT, descending) } else { left };
        let looked_at = if descending { part.above + 1 } else { part.upto };
        let rows = store::list(db, id, (&filter, part), (descending, request.limit)).await?;
        Ok((rows, (part != left).then_some(looked_at)))
    });
    let (rows, looked_at) = found.await.map_err(db::problem)?;
    let mut page = CursorPage::new(rows, request.limit, |row| entries.mark(row.seq)).map(EntryBody::from);
    if let Some(seq) = looked_at.filter(|_| !page.page.has_more) {
        page.page = PageInfo { next_cursor: Some(encode_cursor(&entries.mark(seq))), has_more: true };
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(page))
}
