//! `/users/me/consents`, and one of them.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use shared::auth::InSession;
use shared::domain::ClientId;
use shared::http::{Id, NoQuery};
use shared::problem::Problem;

use super::model::ConsentsView;
use crate::app::App;
use crate::idempotency::Answer;

/// Lists the OAuth clients that one has allowed something, and what: the one that was allowed last comes first, no more than
/// 1,000. Clients of the operator's own, of which nobody is asked, are among one's sessions only. No API key and no
/// token of an OAuth client may: 403.
#[utoipa::path(get, path = "/api/v1/users/me/consents", operation_id = "list_consents", tag = "Sessions",
    responses((status = 200, description = "The latest first, 1,000 at most.", body = ConsentsView)))]
pub async fn list(app: web::Data<App>, caller: InSession, _: NoQuery) -> Result<HttpResponse, Problem> {
    Ok(Answer::json(StatusCode::OK, &super::list(&app, &caller).await?)?.into())
}

/// Takes back what one has allowed an OAuth client. Its tokens are worth nothing within a second, also those that were to
/// outlast the session that they came from, and so are its codes; when it asks again, one is asked again. No proof of a
/// moment ago is needed to end what somebody else may do.
#[utoipa::path(delete, path = "/api/v1/users/me/consents/{id}", operation_id = "delete_consent", tag = "Sessions",
    params(("id" = ClientId, Path, description = "The client's id.")),
    responses((status = 204, description = "Taken back.")))]
pub async fn withdraw(
    app: web::Data<App>,
    caller: InSession,
    Id(client): Id<ClientId>,
    _: NoQuery,
) -> Result<HttpResponse, Problem> {
    super::withdraw(&app, &caller, client).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT).into())
}
