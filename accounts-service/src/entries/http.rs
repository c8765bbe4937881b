//! The route of an account's entries.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use shared::auth::SignedIn;
use shared::domain::AccountId;
use shared::domain::paging::{CursorPage, CursorRequest};
use shared::http::{Id, QueryPairs};
use shared::problem::Problem;

use super::model::EntryBody;
use super::store;
use crate::accounts;
use crate::app::App;
use crate::cursor::List;
use crate::db;

/// Lists an account's entries, oldest first; `seq` counts from 1 without gaps.
#[utoipa::path(
    get, path = "/accounts/{id}/entries", operation_id = "list_entries", tag = "Entries",
    params(("id" = AccountId, Path, description = "The account's id"), ("cursor" = Option<String>, Query, description = "Where to go on"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent"), ("sort_order" = Option<String>, Query, description = "asc or desc")),
    responses((status = 200, description = "A page", body = crate::openapi::EntryPage)),
)]
pub async fn list(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<AccountId>,
    query: QueryPairs,
) -> Result<HttpResponse, Problem> {
    let query = query.only(&["cursor", "limit", "sort_order"])?;
    let request = CursorRequest::parse(&query)?;
    let descending = accounts::one_of("sort_order", query.get("sort_order"), &["asc", "desc"])?;
    let descending = descending.is_some_and(|word| word == "desc");
    let entries = List::new("entries", &(id, descending));
    let order = (descending, entries.position::<i64>(&request)?);
    accounts::visible(&app.db, &who, id).await?;
    let rows = store::list(&app.db, id, order, request.limit).await.map_err(db::problem)?;
    let page = CursorPage::new(rows, request.limit, |row| entries.mark(row.seq)).map(EntryBody::from);
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(page))
}
