//! Handlers of avatars.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use shared::auth::SignedIn;
use shared::domain::UserId;
use shared::http::{Conditions, Id, NoQuery, QueryPairs};
use shared::problem::Problem;

use super::model::{AvatarStatus, Image, Progress, Size};
use super::ops::{self, Answer};
use super::upload::Upload;
use crate::app::App;

/// An avatar is its viewer's to keep, if they ask each time whether it is still the one.
const KEEP: (actix_web::http::header::HeaderName, &str) = (CACHE_CONTROL, "private, no-cache");

/// Sends an image: PNG, JPEG or WebP, at most 5 MiB, 40 million pixels and 10,000 a side. It is made small in the
/// background; until then GET of it answers 202, and others see the one before. Of what is sent while another one is being
/// worked on, the last is shown.
#[utoipa::path(put, path = "/api/v1/users/me/avatar", operation_id = "put_avatar", tag = "Users",
    params(("If-Match" = Option<String>, Header, description = "412 when another image is shown.")),
    request_body(description = "The image itself. Its type must be what Content-Type says.",
                 content((Image = "image/png"), (Image = "image/jpeg"), (Image = "image/webp"))),
    responses((status = 202, description = "Taken; it is shown when it is ready.", body = AvatarStatus)))]
pub async fn put(
    app: web::Data<App>,
    caller: SignedIn,
    _: NoQuery,
    conditions: Conditions,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let upload = Upload::receive(&app, &request, body).await?;
    ops::put(&app, &caller, &conditions, upload).await?;
    Ok(processing())
}

/// Shows one's own avatar, square and without metadata; an image that was smaller than the size stays as small.
#[utoipa::path(get, path = "/api/v1/users/me/avatar", operation_id = "get_own_avatar", tag = "Users",
    params(("size" = Option<String>, Query, description = "thumb (64 pixels a side), medium (256) or large (512, default)."),
           ("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The image, with `ETag`.", content((Image = "image/jpeg"), (Image = "image/png"))),
              (status = 202, description = "What was sent last is not ready yet.", body = AvatarStatus),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn get_own(
    app: web::Data<App>,
    caller: SignedIn,
    query: QueryPairs,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let size = Size::asked(query)?;
    Ok(answer(ops::own(&app, &caller, size).await?, &conditions))
}

/// Removes one's avatar, and whatever was being made of another one.
#[utoipa::path(delete, path = "/api/v1/users/me/avatar", operation_id = "delete_avatar", tag = "Users",
    params(("If-Match" = Option<String>, Header, description = "412 when another image is shown.")),
    responses((status = 204, description = "There is none any more.")))]
pub async fn delete(
    app: web::Data<App>,
    caller: SignedIn,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    ops::delete(&app, &caller, &conditions).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows somebody's avatar to anybody who is signed in.
#[utoipa::path(get, path = "/api/v1/users/{id}/avatar", operation_id = "get_avatar", tag = "Users",
    params(("id" = UserId, Path, description = "A user's id."),
           ("size" = Option<String>, Query, description = "thumb (64 pixels a side), medium (256) or large (512, default)."),
           ("If-None-Match" = Option<String>, Header, description = "304 when it has not changed."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed.")),
    responses((status = 200, description = "The image, with `ETag`.", content((Image = "image/jpeg"), (Image = "image/png"))),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn get(
    app: web::Data<App>,
    _: SignedIn,
    Id(user): Id<UserId>,
    query: QueryPairs,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let size = Size::asked(query)?;
    Ok(answer(ops::show(&app, user, size).await?, &conditions))
}

fn answer(answer: Answer, conditions: &Conditions) -> HttpResponse {
    match answer {
        Answer::Processing => processing(),
        Answer::Image(_, tag) if conditions.unchanged(&tag) => {
            HttpResponse::NotModified().insert_header((ETAG, tag)).insert_header(KEEP).finish()
        }
        Answer::Image(shown, tag) => HttpResponse::Ok()
            .content_type(shown.kind.as_str())
            .insert_header((ETAG, tag))
            .insert_header(KEEP)
            .insert_header((CONTENT_DISPOSITION, "inline"))
            .body(shown.bytes),
    }
}

fn processing() -> HttpResponse {
    let body = AvatarStatus { status: Progress::Processing };
    HttpResponse::Accepted().insert_header((RETRY_AFTER, "1")).insert_header((CACHE_CONTROL, "no-store")).json(body)
}
