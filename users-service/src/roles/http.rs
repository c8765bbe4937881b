//! `/permissions` and `/roles`.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use futures_util::future::{Ready, ready};
use shared::auth::{CanManageRoles, CanSeeRoles};
use shared::domain::Role;
use shared::http::{Body, Conditions, NoQuery, WithoutQuery};
use shared::problem::{Code, Problem};

use super::model::{PermissionsView, RolePatch, RoleRequest, RoleView, RolesView, is_name};
use super::ops::{self, Tagged};
use crate::app::App;
use crate::db::Write;
use crate::idempotency::{Answer, IdempotencyKey, once, replay};
use crate::users::UserError;

/// The path's `{name}`: what is no name of a role names none.
#[derive(Clone, Debug)]
pub struct RoleName(String);

impl FromRequest for RoleName {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = request.match_info().get("name").filter(|name| is_name(name) || name.parse::<Role>().is_ok());
        ready(name.map(|name| Self(name.to_owned())).ok_or_else(|| Problem::new(Code::NotFound)))
    }
}

fn show((role, tag): Tagged, status: StatusCode) -> Result<Answer, Problem> {
    Ok(Answer::json(status, &role)?.header("etag", tag))
}

/// Lists the permissions that roles are made of: whoever may give or make roles.
#[utoipa::path(get, path = "/api/v1/permissions", operation_id = "list_permissions", tag = "Administration",
    responses((status = 200, description = "Every permission, with the roles that stand for it.", body = PermissionsView)))]
pub async fn permissions(_: CanSeeRoles, _: NoQuery) -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::OK, &PermissionsView::all())?.into())
}

/// Lists all roles, those that are always there and custom ones: whoever may give or make roles.
#[utoipa::path(get, path = "/api/v1/roles", operation_id = "list_roles", tag = "Administration",
    responses((status = 200, description = "Every role.", body = RolesView)))]
pub async fn list(app: web::Data<App>, _: CanSeeRoles, _: NoQuery) -> Result<HttpResponse, Problem> {
    let roles = ops::list(&app).await?;
    Ok(Answer::json(StatusCode::OK, &roles)?.into())
}

/// Makes a custom role out of permissions that its maker holds: administrators, and whoever has the permission
/// `roles:manage`, in a session of their own.
#[utoipa::path(post, path = "/api/v1/roles", operation_id = "make_role", tag = "Administration",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = RoleRequest,
    responses((status = 201, description = "Made; `Location` says where.", body = RoleView)))]
pub async fn make(
    app: web::Data<App>,
    caller: CanManageRoles,
    key: IdempotencyKey,
    WithoutQuery(Body(request)): WithoutQuery<Body<RoleRequest>>,
) -> Result<HttpResponse, Problem> {
    let said = serde_json::to_value(&request).map_err(Problem::internal)?;
    let claim = key.claim(caller.user.id.to_string(), &said, None);
    if let Some(first) = replay(&app, claim.as_ref()).await? {
        return Ok(first.into());
    }
    let new = request.parse()?;
    let work = async |write: &Write| -> Result<Answer, UserError> {
        let made = ops::make(&app, write, &caller, &new).await?;
        Ok(show(made, StatusCode::CREATED)?.header("location", format!("/api/v1/roles/{}", new.name)))
    };
    Ok(once(&app, claim.as_ref(), None, work).await?.into())
}

/// Reads a role: whoever may give or make roles.
#[utoipa::path(get, path = "/api/v1/roles/{name}", operation_id = "get_role", tag = "Administration",
    params(("name" = String, Path, description = "The role's word.", example = "auditor"),
           ("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The role, with `ETag`.", body = RoleView),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn get(
    app: web::Data<App>,
    _: CanSeeRoles,
    RoleName(name): RoleName,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    let (role, tag) = ops::read(&app, &name).await?;
    if conditions.unchanged(&tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(show((role, tag), StatusCode::OK)?.into())
}

/// Changes a custom role (JSON Merge Patch), within what the caller holds: administrators, and whoever has the permission
/// `roles:manage`, in a session of their own. What it no longer permits, its holders lose within a second.
#[utoipa::path(patch, path = "/api/v1/roles/{name}", operation_id = "patch_role", tag = "Administration",
    params(("name" = String, Path, description = "The role's word.", example = "auditor"),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    request_body(content((RolePatch = "application/merge-patch+json"), (RolePatch = "application/json"))),
    responses((status = 200, description = "The role as changed, with `ETag`.", body = RoleView)))]
pub async fn patch(
    app: web::Data<App>,
    caller: CanManageRoles,
    RoleName(name): RoleName,
    conditions: Conditions,
    WithoutQuery(Body(patch)): WithoutQuery<Body<RolePatch>>,
) -> Result<HttpResponse, Problem> {
    Ok(show(ops::patch(&app, &caller, &name, &conditions, patch).await?, StatusCode::OK)?.into())
}

/// Removes a custom role that nobody has: administrators, and whoever has the permission `roles:manage`, in a session of
/// their own.
#[utoipa::path(delete, path = "/api/v1/roles/{name}", operation_id = "delete_role", tag = "Administration",
    params(("name" = String, Path, description = "The role's word.", example = "auditor"),
           ("If-Match" = Option<String>, Header, description = "412 when it has changed since.")),
    responses((status = 204, description = "Removed.")))]
pub async fn remove(
    app: web::Data<App>,
    caller: CanManageRoles,
    RoleName(name): RoleName,
    _: NoQuery,
    conditions: Conditions,
) -> Result<HttpResponse, Problem> {
    ops::remove(&app, &caller, &name, &conditions).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
