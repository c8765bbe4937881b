//! Version 1's handlers.

use actix_web::{HttpRequest, HttpResponse, web};
use shared::auth::{Anyone, CanAssignRoles, CanManageUsers, SignedIn, Staff};
use shared::domain::paging::Paged;
use shared::http::{Body, Conditions, NoBody, NoQuery, QueryPairs, WithoutQuery};
use shared::problem::Problem;

use super::model::{UserPatch, UserView, V1};
use crate::app::App;
use crate::idempotency::IdempotencyKey;
use crate::roles::RolesRequest;
use crate::users::admin::Standing;
use crate::users::register::{Accepted, RegisterRequest};
use crate::users::{Target, http};

/// Registers a user.
#[utoipa::path(post, path = "/api/v1/users", operation_id = "register", tag = "Users", security(()),
    params(("Idempotency-Key" = Option<String>, Header, description = "Scoped to the e-mail address.")),
    request_body = RegisterRequest,
    responses((status = 201, description = "Registered; `Location` says where.", body = UserView),
              (status = 202, body = Accepted,
               description = "Instead of 201 and 409 where existing users are not disclosed; the rest happens by mail.")))]
pub async fn register(
    app: web::Data<App>,
    Anyone(caller): Anyone,
    key: IdempotencyKey,
    WithoutQuery(Body(request)): WithoutQuery<Body<RegisterRequest>>,
) -> Result<HttpResponse, Problem> {
    http::register::<V1>(&app, &request, caller, key).await
}

/// Lists users: administrators and support.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "list_users", tag = "Users",
    params(("page" = Option<u64>, Query, description = "From 1.", minimum = 1),
           ("per_page" = Option<u32>, Query, description = "20 when absent.", minimum = 1, maximum = 100),
           ("skip" = Option<u64>, Query, description = "Instead of page: rows to pass over.", minimum = 0),
           ("limit" = Option<u32>, Query, description = "Instead of per_page.", minimum = 1, maximum = 100),
           ("sort_by" = Option<String>, Query, description = "created_at (default), updated_at, email, username or name."),
           ("sort_order" = Option<String>, Query, description = "asc or desc (default)."),
           ("q" = Option<String>, Query, description = "Anywhere in e-mail address, user name or name."),
           ("status" = Option<String>, Query, description = "active, disabled or deleted; all but deleted when absent."),
           ("role" = Option<String>, Query, description = "Only those who have it.")),
    responses((status = 200, description = "One page; `Link` names its neighbours.", body = Paged<UserView>)))]
pub async fn list(
    app: web::Data<App>,
    _: Staff,
    query: QueryPairs,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    http::list_paged::<V1>(&app, query, request.path()).await
}

/// Reads a user: oneself, or anybody as administrator or support.
#[utoipa::path(get, path = "/api/v1/users/{id}", operation_id = "get_user", tag = "Users",
    params(("id" = Target, Path, description = "A user's id, or `me`.", example = "me"),
           ("If-None-Match" = Option<String>, Header, description = "304 when it has not changed."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed.")),
    responses((status = 200, description = "The user, with `ETag`.", body = UserView),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn get(
    app: web::Data<App>,
    caller: SignedIn,
    target: Target,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    http::get::<V1>(&app, &caller, target, &conditions).await
}

/// Changes a user (JSON Merge Patch): oneself, or anybody as administrator. A new e-mail address of one's own takes effect
/// when the link sent to it is followed; until then the old one stays, and is told.
#[utoipa::path(patch, path = "/api/v1/users/{id}", operation_id = "patch_user", tag = "Users",
    params(("id" = Target, Path, description = "A user's id, or `me`.", example = "me"),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    request_body(content((UserPatch = "application/merge-patch+json"), (UserPatch = "application/json"))),
    responses((status = 200, description = "The user as changed, with `ETag`.", body = UserView)))]
pub async fn patch(
    app: web::Data<App>,
    caller: SignedIn,
    target: Target,
    conditions: Conditions,
    WithoutQuery(Body(patch)): WithoutQuery<Body<UserPatch>>,
) -> Result<HttpResponse, Problem> {
    http::patch::<V1>(&app, &caller, target, &conditions, patch).await
}

/// Deletes a user: oneself, or anybody as administrator. Restorable for 30 days.
#[utoipa::path(delete, path = "/api/v1/users/{id}", operation_id = "delete_user", tag = "Users",
    params(("id" = Target, Path, description = "A user's id, or `me`.", example = "me"),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    responses((status = 204, description = "Deleted; every token of theirs is void within a second.")))]
pub async fn delete(
    app: web::Data<App>,
    caller: SignedIn,
    target: Target,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    http::delete::<V1>(&app, &caller, target, &conditions).await
}

/// Gives a user exactly these roles, ours and custom ones: administrators, and whoever has the permission `roles:assign`, in a
/// session of their own and within what they hold. Bites within a second on tokens already issued.
#[utoipa::path(put, path = "/api/v1/users/{id}/roles", operation_id = "set_roles", tag = "Administration",
    params(("id" = Target, Path, description = "A user's id."),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    request_body = RolesRequest,
    responses((status = 200, description = "The user as changed, with `ETag`.", body = UserView)))]
pub async fn set_roles(
    app: web::Data<App>,
    caller: CanAssignRoles,
    target: Target,
    conditions: Conditions,
    WithoutQuery(Body(request)): WithoutQuery<Body<RolesRequest>>,
) -> Result<HttpResponse, Problem> {
    http::set_roles::<V1>(&app, &caller, target, &conditions, request).await
}

/// Shuts a user out: administrators. Every token of theirs is void within a second.
#[utoipa::path(post, path = "/api/v1/users/{id}/disable", operation_id = "disable_user", tag = "Administration",
    params(("id" = Target, Path, description = "A user's id."), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "The user as changed, with `ETag`.", body = UserView)))]
pub async fn disable(
    app: web::Data<App>,
    caller: CanManageUsers,
    target: Target,
    conditions: Conditions,
    key: IdempotencyKey,
    _: WithoutQuery<NoBody>,
) -> Result<HttpResponse, Problem> {
    http::set_standing::<V1>(&app, &caller, target, &conditions, key, Standing::Disable).await
}

/// Lets a disabled user in again: administrators.
#[utoipa::path(post, path = "/api/v1/users/{id}/enable", operation_id = "enable_user", tag = "Administration",
    params(("id" = Target, Path, description = "A user's id."), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "The user as changed, with `ETag`.", body = UserView)))]
pub async fn enable(
    app: web::Data<App>,
    caller: CanManageUsers,
    target: Target,
    conditions: Conditions,
    key: IdempotencyKey,
    _: WithoutQuery<NoBody>,
) -> Result<HttpResponse, Problem> {
    http::set_standing::<V1>(&app, &caller, target, &conditions, key, Standing::Enable).await
}

/// Takes a deletion back, within 30 days: administrators.
#[utoipa::path(post, path = "/api/v1/users/{id}/restore", operation_id = "restore_user", tag = "Administration",
    params(("id" = Target, Path, description = "A user's id."), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, description = "The user as changed, with `ETag`.", body = UserView)))]
pub async fn restore(
    app: web::Data<App>,
    caller: CanManageUsers,
    target: Target,
    conditions: Conditions,
    key: IdempotencyKey,
    _: WithoutQuery<NoBody>,
) -> Result<HttpResponse, Problem> {
    http::set_standing::<V1>(&app, &caller, target, &conditions, key, Standing::Restore).await
}
