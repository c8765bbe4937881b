//! The routes under /transfers/{id}.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Scope, web};
use shared::auth::SignedIn;
use shared::domain::TransferId;
use shared::http::{BodyLimit, Conditions, Id, QueryPairs};
use shared::problem::Problem;

use super::{NewPosting, NewReversal, Target, Wish, carry_out, try_out};
use crate::accounts::{Nothing, Optional};
use crate::app::App;
use crate::idempotency::KeyHeader;
use crate::routes::{base, resource};
use crate::transfers::http::json;
use crate::transfers::render::{self, TransferBody};
use crate::transfers::respond::{Wanted, wishes};
use crate::transfers::shown::seen;

/// The largest body: 8 KiB of metadata, and a description.
const BODY: BodyLimit = BodyLimit(16 * 1024);

/// Registers them.
pub fn routes(scope: Scope) -> Scope {
    scope
        .service(resource("/transfers/{id}/post", "POST").app_data(BODY).route(web::post().to(post)))
        .service(resource("/transfers/{id}/void", "POST").app_data(BODY).route(web::post().to(void)))
        .service(resource("/transfers/{id}/reverse", "POST").app_data(BODY).route(web::post().to(reverse)))
}

/// What all three read from their request, with the body's wish.
type Asked<T> =
    (SignedIn, web::Data<App>, Id<TransferId>, QueryPairs, (KeyHeader, Conditions, HttpRequest), Optional<T>);

/// Posts what a pending transfer holds, or a part of it: a new transfer that names it. The debit account's owner, or a treasurer.
///
/// A part leaves the rest held, for another post, unless `release_remainder` is true. The new transfer carries the description and metadata of the pending one.
#[utoipa::path(
    post, path = "/transfers/{id}/post", operation_id = "post_pending_transfer", tag = "Transfers",
    request_body = NewPosting,
    params(("id" = TransferId, Path, description = "The pending transfer's id"), ("Idempotency-Key" = Option<String>, Header, description = "Required unless dry_run=true: 1 to 255 visible ASCII characters; kept for ever"), ("If-Match" = Option<String>, Header, description = "412 when the transfer no longer stands as this ETag says; judged when it is decided, after 403, and kept under the key as any decline is"), ("dry_run" = Option<bool>, Query, description = "Only decide"), ("receipt" = Option<bool>, Query, description = "With a signed receipt; not in a dry run")),
    responses((status = 201, description = "Posted", body = TransferBody), (status = 200, description = "Would post: a dry run", body = TransferBody)),
)]
pub async fn post(asked: Asked<NewPosting>) -> Result<HttpResponse, Problem> {
    answer(asked, Wish::Post).await
}

/// Lets go of what a pending transfer still holds: a new transfer that names it, of the amount that is free again. The owner of either account, or a treasurer. One that has expired is not voided: 409 `transfer_expired`.
#[utoipa::path(
    post, path = "/transfers/{id}/void", operation_id = "void_pending_transfer", tag = "Transfers",
    params(("id" = TransferId, Path, description = "The pending transfer's id"), ("Idempotency-Key" = Option<String>, Header, description = "Required unless dry_run=true: 1 to 255 visible ASCII characters; kept for ever"), ("If-Match" = Option<String>, Header, description = "412 when the transfer no longer stands as this ETag says; judged when it is decided, after 403, and kept under the key as any decline is"), ("dry_run" = Option<bool>, Query, description = "Only decide"), ("receipt" = Option<bool>, Query, description = "With a signed receipt; not in a dry run")),
    responses((status = 201, description = "Voided", body = TransferBody), (status = 200, description = "Would void: a dry run", body = TransferBody)),
)]
pub async fn void(asked: Asked<Nothing>) -> Result<HttpResponse, Problem> {
    answer(asked, |Nothing {}| Wish::Void).await
}

/// Pays a posted transfer back, or a part of it: a new transfer the other way round that names it. The credit account's owner, or a treasurer. Reversals never add up to more than the original; a reversal is not reversed, nor is a pending transfer: what was posted of one is.
#[utoipa::path(
    post, path = "/transfers/{id}/reverse", operation_id = "reverse_transfer", tag = "Transfers",
    request_body = NewReversal,
    params(("id" = TransferId, Path, description = "The posted transfer's id"), ("Idempotency-Key" = Option<String>, Header, description = "Required unless dry_run=true: 1 to 255 visible ASCII characters; kept for ever"), ("If-Match" = Option<String>, Header, description = "412 when the transfer no longer stands as this ETag says; judged when it is decided, after 403, and kept under the key as any decline is"), ("dry_run" = Option<bool>, Query, description = "Only decide"), ("receipt" = Option<bool>, Query, description = "With a signed receipt; not in a dry run")),
    responses((status = 201, description = "Paid back", body = TransferBody), (status = 200, description = "Would pay back: a dry run", body = TransferBody)),
)]
pub async fn reverse(asked: Asked<NewReversal>) -> Result<HttpResponse, Problem> {
    answer(asked, Wish::Reverse).await
}

async fn answer<T>(
    (who, app, Id(of), query, (key, conditions, request), Optional(said)): Asked<T>,
    wish: impl FnOnce(T) -> Wish,
) -> Result<HttpResponse, Problem> {
    let (dry_run, receipt) = wishes(query)?;
    let (wish, at) = (wish(said), Target { of, seen: seen(&conditions, of) });
    wish.check()?;
    if dry_run {
        let decided = try_out(&app, &who, key.optional()?, at, wish).await?;
        return Ok(json(StatusCode::OK).body(render::dry_run(&decided)));
    }
    let key = key.required()?;
    let wanted = Wanted::if_asked(&app, receipt).await?;
    let answer = carry_out(&app, &who, &key, at, wish).await?;
    wanted.respond(answer, base(&request)).await
}
