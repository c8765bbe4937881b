//! The handler.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use shared::auth::InSession;
use shared::http::NoQuery;
use shared::problem::{Code, Problem};

use super::model::ExportView;
use super::stream;
use crate::app::App;
use crate::audit::{Event, Kind};
use crate::db::Write;
use crate::step_up;
use crate::users::{Status, store};

/// Everything that is held about oneself, as JSON: user, profile, sessions, mails, links, keys, and the security events
/// about and by oneself. No hashes and no secrets. Asks for a sign-in of a moment ago. No API key and no token of an OAuth
/// client may: 403.
#[utoipa::path(get, path = "/api/v1/users/me/export", operation_id = "export_user", tag = "Users",
    responses((status = 200, description = "The document, to be saved as a file.", body = ExportView)))]
pub async fn export(app: web::Data<App>, caller: InSession, _: NoQuery) -> Result<HttpResponse, Problem> {
    let user = caller.user.id;
    let write = allowed(&app, &caller).await?;
    write.audit(Event::new(Kind::DataExported, (&*caller).into(), &app.clock).about(user));
    write.commit().await?;
    Ok(file(&app).streaming(stream::document(app, user)))
}

/// What GET would answer, without its content: nothing is gathered, and nothing was taken that had to be on record.
pub async fn head(app: web::Data<App>, caller: InSession, _: NoQuery) -> Result<HttpResponse, Problem> {
    allowed(&app, &caller).await?.rollback().await;
    // Its length nobody knows before it is gathered: an empty body would be said to have one, of 0 (RFC 9110, section 8.6).
    Ok(file(&app).body(actix_web::body::None::new()))
}

/// The caller, locked, if they may have it.
async fn allowed(app: &App, caller: &InSession) -> Result<Write, Problem> {
    let write = app.database.write().await?;
    let locked = store::lock(&write, caller.user.id).await?.filter(|found| found.user.status == Status::Active);
    locked.ok_or_else(|| Problem::new(Code::NotFound))?;
    step_up::require(app, &write, caller).await?;
    Ok(write)
}

fn file(app: &App) -> HttpResponseBuilder {
    let name = format!("attachment; filename=\"tollgate-{}.json\"", app.clock.now().date());
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((CACHE_CONTROL, "no-store"));
    answer
}
