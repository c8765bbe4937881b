//! The route of an account's statement.

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse, Scope, web};
use bytes::Bytes;
use futures_util::stream;
use shared::auth::SignedIn;
use shared::clock::from_micros;
use shared::domain::AccountId;
use shared::http::{Conditions, Id, QueryPairs, entity_tag};
use shared::problem::Problem;

use super::model::{Format, Statement};
use super::ops::{self, Asked, PARAMETERS};
use super::stream::{Cut, Order, body};
use crate::app::App;
use crate::routes::{read, resource};

/// Registers it.
pub fn routes(scope: Scope) -> Scope {
    scope.service(resource("/accounts/{id}/statement", "GET, HEAD").route(read().to(show)))
}

/// What happened on an account from `from` on and before `to`: opening balance, entries, closing balance, which add up. The same window always has the same statement, to the byte. It is sent while it is read, however long it is; if it fails on the way, the connection is cut, so what ends is whole. In CSV, amounts are in the currency's major unit, and texts that a spreadsheet would take for a formula begin with an apostrophe. `camt053` is ISO 20022 camt.053.001.08. In a PDF, a box stands for a character that its font lacks, and Arabic is not joined.
#[utoipa::path(
    get, path = "/accounts/{id}/statement", operation_id = "get_statement", tag = "Entries",
    params(("id" = AccountId, Path, description = "The account's id"), ("from" = Option<String>, Query, description = "Entries that posted then or later; all when absent"), ("to" = Option<String>, Query, description = "Entries that posted before; now when absent, and no later than now"), ("format" = Option<String>, Query, description = "json (when absent), csv, camt053 or pdf"), ("If-None-Match" = Option<String>, Header, description = "304 when unchanged")),
    responses(
        (status = 200, description = "The statement, with its ETag", content((super::StatementBody = "application/json"), (String = "text/csv; charset=utf-8"), (String = "application/xml"), (String = "application/pdf"))),
        (status = 304, description = "Unchanged"),
    ),
)]
pub async fn show(
    who: SignedIn,
    app: web::Data<App>,
    Id(id): Id<AccountId>,
    query: QueryPairs,
    conditions: Conditions,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::parse(&query.only(&PARAMETERS)?)?;
    let (window, statement) = ops::find(&app, &who, id, asked).await?;
    let etag = entity_tag(statement.digest(asked.format).simple());
    if conditions.unchanged(&etag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, etag)).finish());
    }
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, asked.format.media_type()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, disposition(&statement, asked.format)))
        .insert_header((ETAG, etag));
    if request.method() == Method::HEAD {
        return Ok(response.streaming(stream::empty::<Result<Bytes, Cut>>()));
    }
    let place = app.statements.place(who.user.id)?;
    let order = Order { window, statement, format: asked.format, place };
    Ok(response.streaming(body(app, order)))
}

/// JSON is for programs; the others are files, named by what they are of.
fn disposition(statement: &Statement, format: Format) -> String {
    let way = match format {
        Format::Json => "inline",
        Format::Csv | Format::Camt053 | Format::Pdf => "attachment",
    };
    let (from, to) = (from_micros(statement.from).date(), from_micros(statement.to).date());
    let (account, extension) = (statement.account, format.extension());
    format!("{way}; filename=\"statement-{account}-{from}-{to}.{extension}\"")
}
