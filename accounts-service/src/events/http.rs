//! The route of the change feed.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, Scope, web};
use shared::auth::SignedIn;
use shared::domain::paging::{CursorPage, CursorRequest, PageInfo, encode_cursor};
use shared::http::QueryPairs;
use shared::problem::{Code, Problem};

use super::kinds;
use super::model::EventBody;
use super::store::{self, Page, Wanted};
use crate::accounts::{may_see_all, one_of};
use crate::app::App;
use crate::cursor::List;
use crate::db;
use crate::history::Places;
use crate::routes::{read, resource};

/// The cursor of whoever wants to hear only of what is to come.
const END: &str = "end";

/// Registers it.
pub fn routes(scope: Scope) -> Scope {
    scope.service(resource("/events", "GET, HEAD").route(read().to(list)))
}

/// Lists what happened to the caller's accounts and transfers in the order of commit, as CloudEvents; `scope=all` for support, treasurer and admin. There is always a `next_cursor`, also at the end: whoever sends it later gets what has happened since, and misses nothing. A cursor is a place in the feed, whatever is asked for there. With `types` a page may have fewer than `limit` events although more follow: go on for as long as `has_more` is true.
#[utoipa::path(
    get, path = "/events", operation_id = "list_events", tag = "Events",
    params(("cursor" = Option<String>, Query, description = "Where to go on; end: only what is to come; from the beginning when absent"), ("limit" = Option<u32>, Query, description = "1 to 100, 20 when absent"), ("scope" = Option<String>, Query, description = "own or all"), ("types" = Option<String>, Query, description = "Of these types only, with commas between")),
    responses((status = 200, description = "A page", body = crate::openapi::EventPage)),
)]
pub async fn list(who: SignedIn, app: web::Data<App>, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let query = query.only(&["cursor", "limit", "scope", "types"])?;
    let all = one_of("scope", query.get("scope"), &["own", "all"])?.is_some_and(|scope| scope == "all");
    if all && !may_see_all(&who) {
        return Err(Problem::new(Code::Forbidden).detail("Only support, treasurer and admin read all events."));
    }
    let wanted = Wanted { owner: (!all).then_some(who.user.id), kinds: kinds::wanted(&query)? };
    let request = CursorRequest::parse(&query)?;
    let feed = List::new("events", &());
    let above = match request.cursor.as_deref() {
        Some(END) => store::head(&app.db).await.map_err(db::problem)?,
        Some(_) | None => feed.position::<i64>(&request)?.unwrap_or(0),
    };
    let found = app.db.list(async |db| {
        // What has happened up to here can be read; what happens meanwhile is the next page's.
        let upto = store::head(db).await?;
        if above >= upto {
            // At the end, or on a standby that has not heard of that place yet.
            return Ok((Page { rows: Vec::new(), reached: above }, false));
        }
        let page = store::page(db, &wanted, Places { above, upto }, request.limit).await?;
        let has_more = page.reached < upto;
        Ok((page, has_more))
    });
    let (page, has_more) = found.await.map_err(db::problem)?;
    let next = PageInfo { next_cursor: Some(encode_cursor(&feed.mark(page.reached))), has_more };
    let data = page.rows.into_iter().map(EventBody::of).collect::<Result<Vec<_>, _>>()?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(CursorPage { data, page: next }))
}
