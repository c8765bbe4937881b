//! The routes under /transfers/{id}.

use actix_web::{HttpRequest, HttpResponse, Scope, web};
use shared::auth::SignedIn;
use shared::domain::TransferId;
use shared::http::{BodyLimit, Id, QueryPairs};
use shared::problem::Problem;

use super::{NewPosting, NewReversal, Wish, carry_out};
use crate::accounts::{Nothing, Optional};
use crate::app::App;
use crate::idempotency::KeyHeader;
use crate::routes::{base, resource};
use crate::transfers::render::TransferBody;
use crate::transfers::respond::Wanted;

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
type Asked<T> = (SignedIn, web::Data<App>, Id<TransferId>, QueryPairs, KeyHeader, HttpRequest, Optional<T>);

/// Posts what a pending transfer holds, or a part of it: a new transfer that names it. The debit account's owner, or a treasurer.
///
/// A part leaves the rest held, for another post, unless `release_remainder` is true. The new transfer carries the description and metadata of the pending one.
#[utoipa::path(
    post, path = "/transfers/{id}/post", operation_id = "post_pending_transfer", tag = "Transfers",
    request_body = NewPosting,
    params(("id" = TransferId, Path, description = "The pending transfer's id"), ("Idempotency-Key" = String, Header, description = "1 to 255 visible ASCII characters; kept for ever"), ("receipt" = Option<bool>, Query, description = "With a signed receipt")),
    responses((status = 201, description = "Posted", body = TransferBody)),
)]
pub async fn post(asked: Asked<NewPosting>) -> Result<HttpResponse, Problem> {
    answer(asked, Wish::Post).await
}

/// Lets go of what a pending transfer still holds: a new transfer that names it, of the amount that is free again. The owner of either account, or a treasurer. One that has expired is not voided: 409 `transfer_expired`.
#[utoipa::path(
    post, path = "/transfers/{id}/void", operation_id = "void_pending_transfer", tag = "Transfers",
    params(("id" = TransferId, Path, description = "The pending transfer's id"), ("Idempotency-Key" = String, Header, description = "1 to 255 visible ASCII characters; kept for ever"), ("receipt" = Option<bool>, Query, description = "With a signed receipt")),
    responses((status = 201, description = "Voided", body = TransferBody)),
)]
pub async fn void(asked: Asked<Nothing>) -> Result<HttpResponse, Problem> {
    answer(asked, |Nothing {}| Wish::Void).await
}

/// Pays a posted transfer back, or a part of it: a new transfer the other way round that names it. The credit account's owner, or a treasurer. Reversals never add up to more than the original; a reversal is not reversed, nor is a pending transfer: what was posted of one is.
#[utoipa::path(
    post, path = "/transfers/{id}/reverse", operation_id = "reverse_transfer", tag = "Transfers",
    request_body = NewReversal,
    params(("id" = TransferId, Path, description = "The posted transfer's id"), ("Idempotency-Key" = String, Header, description = "1 to 255 visible ASCII characters; kept for ever"), ("receipt" = Option<bool>, Query, description = "With a signed receipt")),
    responses((status = 201, description = "Paid back", body = TransferBody)),
)]
pub async fn reverse(asked: Asked<NewReversal>) -> Result<HttpResponse, Problem> {
    answer(asked, Wish::Reverse).await
}

async fn answer<T>(
    (who, app, Id(of), query, key, request, Optional(said)): Asked<T>,
    wish: impl FnOnce(T) -> Wish,
) -> Result<HttpResponse, Problem> {
    let receipt = query.only(&["receipt"])?.flag("receipt")?;
    let wish = wish(said);
    wish.check()?;
    let key = key.required()?;
    let wanted = Wanted::if_asked(&app, receipt).await?;
    let answer = carry_out(&app, &who, &key, of, wish).await?;
    wanted.respond(answer, base(&request)).await
}
