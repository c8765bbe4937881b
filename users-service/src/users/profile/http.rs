//! `GET` and `PUT /users/me/profile`.

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpResponse, web};
use shared::auth::SignedIn;
use shared::http::{Body, Conditions, NoQuery, WithoutQuery};
use shared::problem::Problem;

use super::model::Profile;
use super::ops;
use super::request::{ProfilePatch, ProfileRequest, TOP};
use crate::app::App;
use crate::idempotency::Answer;
use crate::users::model::User;
use crate::users::register::invalid;
use crate::users::{Target, ops as users};

/// Reads one's own profile.
#[utoipa::path(get, path = "/api/v1/users/me/profile", operation_id = "get_profile", tag = "Users",
    params(("If-None-Match" = Option<String>, Header, description = "304 when it has not changed."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed.")),
    responses((status = 200, description = "The profile, with `ETag`; what was never told is null.", body = Profile),
              (status = 304, description = "Nothing about the user has changed since the ETag sent.")))]
pub async fn get(
    app: web::Data<App>,
    caller: SignedIn,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let user = users::read(&app, &caller, Target::Me, &conditions).await?;
    let tag = ops::tag(&user);
    if conditions.unchanged(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    show(user)
}

/// Replaces one's own profile: what is left out is forgotten. Every fault of it is told at once.
#[utoipa::path(put, path = "/api/v1/users/me/profile", operation_id = "put_profile", tag = "Users",
    params(("If-Match" = Option<String>, Header, description = "412 when the user has changed since.")),
    request_body = ProfileRequest,
    responses((status = 200, description = "The profile as it is now, with `ETag`.", body = Profile)))]
pub async fn put(
    app: web::Data<App>,
    caller: SignedIn,
    conditions: Conditions,
    WithoutQuery(Body(request)): WithoutQuery<Body<ProfileRequest>>,
) -> Result<HttpResponse, Problem> {
    let mut faults = Vec::new();
    let changes = ProfilePatch::from(request).parse(&TOP, app.clock.now().date(), &mut faults);
    if !faults.is_empty() {
        return Err(invalid(faults));
    }
    show(ops::put(&app, &caller, &conditions, changes).await?)
}

fn show(user: User) -> Result<HttpResponse, Problem> {
    let tag = ops::tag(&user);
    Ok(Answer::json(StatusCode::OK, &user.profile)?.header("etag", tag).into())
}
