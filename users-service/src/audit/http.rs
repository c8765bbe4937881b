//! `GET /audit/events`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use shared::auth::CanReadAudit;
use shared::domain::paging::CursorPage;
use shared::http::QueryPairs;
use shared::problem::Problem;

use super::list::{self, Asked};
use super::model::EventView;
use crate::app::App;
use crate::idempotency::Answer;

/// Lists security events: administrators. Newest first; nothing in it can be changed, by nobody.
#[utoipa::path(get, path = "/api/v1/audit/events", operation_id = "list_audit_events", tag = "Administration",
    params(("cursor" = Option<String>, Query, description = "Where the last page ended."),
           ("limit" = Option<u32>, Query, description = "20 when absent.", minimum = 1, maximum = 100),
           ("sort_order" = Option<String>, Query, description = "desc (default) or asc."),
           ("user" = Option<String>, Query, description = "Only what was done to this user."),
           ("actor" = Option<String>, Query, description = "Only what this one did: a user's id, or an issuer and its name for somebody with a space between."),
           ("kind" = Option<String>, Query, description = "Only events of this kind.", example = "user.roles_changed"),
           ("outcome" = Option<String>, Query, description = "Only what succeeded, was refused or failed.", example = "failed"),
           ("session" = Option<String>, Query, description = "Only what happened in this session."),
           ("identifier" = Option<String>, Query, description = "Only sign-ins that failed, and registrations that were declined, in the name of this e-mail address or user name, whether or not anybody has it.", example = "ada@example.com"),
           ("from" = Option<String>, Query, description = "Only from this instant on (RFC 3339).", example = "2026-11-21T08:00:00Z"),
           ("to" = Option<String>, Query, description = "Only before this instant (RFC 3339).", example = "2026-11-22T08:00:00Z")),
    responses((status = 200, description = "One page.", body = CursorPage<EventView>)))]
pub async fn list(app: web::Data<App>, _: CanReadAudit, query: QueryPairs) -> Result<HttpResponse, Problem> {
    let asked = Asked::parse(query, &app.journal)?;
    let page = list::page(app.database.read(), asked).await?;
    Ok(Answer::json(StatusCode::OK, &page)?.into())
}
