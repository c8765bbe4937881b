//! `POST /auth/introspect`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use shared::auth::{Anyone, Caller};
use shared::domain::Role;
use shared::http::Form;
use shared::problem::Problem;

use super::{Asker, Introspection, of_token};
use crate::api_keys;
use crate::app::App;
use crate::clients::Kind;
use crate::oauth::shown::{Asking, Shown, authenticate};
use crate::tokens::GrantError;

/// What the introspection endpoint's form may hold; for the document only.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the form is read as pairs; this describes it")]
pub struct IntrospectRequest {
    /// An access token, or a refresh token.
    token: String,
    /// `refresh_token` or `access_token`; not needed.
    token_type_hint: Option<String>,
    /// Who asks, unless that stands in `Authorization`.
    client_id: Option<String>,
    /// That client's secret.
    client_secret: Option<String>,
}

/// Says whether a token is good, and what it says (RFC 7662): to confidential clients, and to administrators. Of another
/// confidential client's tokens a client learns nothing.
#[utoipa::path(post, path = "/api/v1/auth/introspect", operation_id = "introspect", tag = "Sign-in", security((), ("access_token" = [])),
    request_body(content = IntrospectRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What there is to say of it; of what is none, or none of yours, only that it is not active.", body = Introspection)))]
pub async fn introspect(
    app: web::Data<App>,
    Anyone(caller): Anyone,
    form: Form,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let token = form.require("token")?;
    if caller.is_gateway {
        let said = api_keys::introspect(&app, token).await?;
        return Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(said));
    }
    let asker = asker(&app, &caller, Shown::of(&request, &form)).await?;
    let said = of_token(&app, token, &asker).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(said))
}

async fn asker(app: &App, caller: &Caller, shown: Shown) -> Result<Asker, GrantError> {
    if caller.user.as_ref().is_some_and(|user| user.roles.has(Role::Admin)) {
        return Ok(Asker::Administrator);
    }
    let basic = matches!(shown, Shown::Secret { basic: true, .. });
    let asking = Asking { shown, scope: None, client_ip: caller.client_ip };
    let client = authenticate(app, &asking).await?;
    match client.kind {
        Kind::Confidential => Ok(Asker::Client(Box::new(client))),
        Kind::Public => Err(GrantError::InvalidClient { basic }),
    }
}
