//! `POST /auth/token`, `POST /auth/revoke`, and the metadata.

use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::{HttpRequest, HttpResponse, web};
use shared::auth::Anyone;
use shared::http::{Conditions, Form};
use shared::problem::Problem;

use super::grant::Grant;
use super::metadata::Metadata;
use super::model::TokenAnswer;
use super::{password, refresh, revoke};
use crate::app::App;
use crate::discovery;
use crate::sessions::{Agent, Carrier};

/// What the token endpoint's form may hold; for the document only.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the form is read as pairs; this describes it")]
pub struct TokenRequest {
    /// `password` or `refresh_token`.
    #[schema(example = "password")]
    grant_type: String,
    /// E-mail address or user name, for `password`.
    #[schema(example = "ada@example.com")]
    username: Option<String>,
    /// The password, for `password`.
    #[schema(example = "correct horse battery 9 staple")]
    password: Option<String>,
    /// The refresh token, for `refresh_token`.
    refresh_token: Option<String>,
    /// `api`, or nothing.
    #[schema(example = "api")]
    scope: Option<String>,
}

/// What the revocation endpoint's form may hold; for the document only.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the form is read as pairs; this describes it")]
pub struct RevokeRequest {
    /// A refresh token or an access token.
    token: String,
    /// `refresh_token` or `access_token`; not needed.
    token_type_hint: Option<String>,
}

/// Signs in, or carries a session on. Who has the right password of somebody disabled or deleted is refused like anybody
/// else, and told why in `error_description`. Attempts are counted, and too many answered 429 before any work: by
/// identifier and address, by identifier, and by network.
#[utoipa::path(post, path = "/api/v1/auth/token", operation_id = "token", tag = "Sign-in", security(()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Tokens. A refresh repeated within 10 s gets the same refresh token.", body = TokenAnswer)))]
pub async fn token(
    app: web::Data<App>,
    Anyone(caller): Anyone,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let granted = match Grant::parse(&form)? {
        Grant::Password { identifier, password } => {
            let agent = Agent::of(request.headers(), Carrier::Token);
            password::sign_in(&app, &identifier, &password, caller.client_ip, &agent).await?
        }
        Grant::Refresh { token } => refresh::refresh(&app, &token, Carrier::Token, None, caller.client_ip).await?,
    };
    let mut answer = HttpResponse::Ok();
    Ok(answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache")).json(granted.tokens))
}

/// Ends the session that a refresh or access token belongs to (RFC 7009).
#[utoipa::path(post, path = "/api/v1/auth/revoke", operation_id = "revoke", tag = "Sign-in", security(()),
    request_body(content = RevokeRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is worth nothing now, whatever it was.")))]
pub async fn revoke(app: web::Data<App>, Anyone(caller): Anyone, form: Form) -> Result<HttpResponse, Problem> {
    let token = form.require("token")?;
    revoke::revoke(&app, token, caller.client_ip).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}

/// What the authorization server can do (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", operation_id = "oauth_metadata", tag = "Discovery", security(()),
    params(("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The metadata.", body = Metadata),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn metadata(app: web::Data<App>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    discovery::answer(&app, &conditions, &Metadata::of(&app.config.tokens.issuer))
}
