//! `POST /auth/token`, `POST /auth/revoke`, and the metadata.

use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::{HttpRequest, HttpResponse, web};
use shared::auth::Anyone;
use shared::http::{Conditions, Form};
use shared::problem::Problem;

use super::error::GrantError;
use super::grant::Grant;
use super::metadata::Metadata;
use super::model::TokenAnswer;
use super::{password, revoke};
use crate::app::App;
use crate::discovery;
use crate::oauth::{self, Shown};
#[cfg(feature = "passkeys")]
use crate::passkeys;
use crate::sessions::{Agent, Carrier};

/// What the token endpoint's form may hold; for the document only.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the form is read as pairs; this describes it")]
pub struct TokenRequest {
    /// `password`, `refresh_token`, `client_credentials`, `authorization_code` or
    /// `urn:tollgate:params:oauth:grant-type:passkey`.
    #[schema(example = "password")]
    grant_type: String,
    /// E-mail address or user name, for `password`.
    #[schema(example = "ada@example.com")]
    username: Option<String>,
    /// The password, for `password`.
    #[schema(example = "correct horse battery 9 staple")]
    password: Option<String>,
    /// A code of the second factor, or a recovery code, for `password` where there is one.
    #[schema(example = "287082")]
    otp: Option<String>,
    /// What `JSON.stringify()` makes of the credential that `navigator.credentials.get()` gives, for
    /// `urn:tollgate:params:oauth:grant-type:passkey`.
    #[cfg(feature = "passkeys")]
    credential: Option<String>,
    /// The refresh token, for `refresh_token`.
    refresh_token: Option<String>,
    /// Less than all there is to have. A user's own sign-in has `api` and nothing less.
    #[schema(example = "api")]
    scope: Option<String>,
    /// The code that `/oauth/authorize` has sent the user back with, for `authorization_code`.
    code: Option<String>,
    /// Where the code was sent to, for `authorization_code`.
    redirect_uri: Option<String>,
    /// What the request's `code_challenge` was made of (RFC 7636), for `authorization_code`.
    code_verifier: Option<String>,
    /// Who asks, unless that stands in `Authorization: Basic`. Not where a user signs in with a
    /// password or a passkey.
    client_id: Option<String>,
    /// A confidential client's secret, unless that stands in `Authorization: Basic`.
    client_secret: Option<String>,
}

/// What the revocation endpoint's form may hold; for the document only.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the form is read as pairs; this describes it")]
pub struct RevokeRequest {
    /// A refresh token or an access token.
    token: String,
    /// `refresh_token` or `access_token`; not needed.
    token_type_hint: Option<String>,
    /// Who asks, where the token is a confidential client's and that does not stand in `Authorization: Basic`.
    client_id: Option<String>,
    /// That client's secret.
    client_secret: Option<String>,
}

/// Signs in, carries a session on, redeems a client's code (with PKCE), or gives a client a token of its own. A client that
/// has a secret shows it by `Authorization: Basic`, with which it is not counted as somebody who signs in, or in the form, not
/// both; where a client is named, no password and no passkey is looked at (400 `unauthorized_client`). Who has the right password of somebody disabled
/// or deleted is refused like anybody else, and told why in `error_description`. Attempts are counted, and too many answered
/// 429 before any work: by identifier and address, by identifier, and by network. A passkey is its own identifier, and counts
/// for two factors: no code is asked for.
#[utoipa::path(post, path = "/api/v1/auth/token", operation_id = "token", tag = "Sign-in", security(()),
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Tokens. A refresh repeated within 10 s gets the same refresh token.", body = TokenAnswer)))]
pub async fn token(
    app: web::Data<App>,
    Anyone(caller): Anyone,
    request: HttpRequest,
    form: Form,
) -> Result<HttpResponse, Problem> {
    let (shown, client_ip) = (Shown::of(&request, &form), caller.client_ip);
    // The others are put aside, or each request that waits for its password's hash would have room for the largest of them.
    let tokens = match Grant::parse(&form)? {
        // A user signs in for themselves, and by Basic would be counted as a client: one that is named has grants of its own.
        Grant::Password { .. } if shown.names_somebody() => return Err(GrantError::UnauthorizedClient.into()),
        #[cfg(feature = "passkeys")]
        Grant::Passkey(_) if shown.names_somebody() => return Err(GrantError::UnauthorizedClient.into()),
        Grant::Password { identifier, password, otp } => {
            let agent = Agent::of(request.headers(), Carrier::Token);
            password::sign_in(&app, &identifier, (&password, otp.as_ref()), client_ip, &agent).await?.tokens
        }
        #[cfg(feature = "passkeys")]
        Grant::Passkey(assertion) => {
            let agent = Agent::of(request.headers(), Carrier::Token);
            Box::pin(passkeys::sign_in(&app, &assertion, client_ip, &agent)).await?.tokens
        }
        Grant::Refresh { token, scope } => {
            Box::pin(oauth::refresh(&app, &token, &oauth::Asking { shown, scope, client_ip })).await?
        }
        Grant::ClientCredentials { scope } => {
            oauth::client_token(&app, &oauth::Asking { shown, scope, client_ip }).await?
        }
        Grant::Code { code, redirect_uri, verifier } => {
            let asking = oauth::Asking { shown, scope: None, client_ip };
            Box::pin(oauth::redeem(&app, &asking, &oauth::Redemption { code, redirect_uri, verifier })).await?
        }
    };
    let mut answer = HttpResponse::Ok();
    Ok(answer.insert_header((CACHE_CONTROL, "no-store")).insert_header((PRAGMA, "no-cache")).json(tokens))
}

/// Ends the session that a refresh or access token belongs to (RFC 7009). Whoever has a token may, but one that was given to a
/// confidential client only that client; one that is a client's own ends all of that client's own.
#[utoipa::path(post, path = "/api/v1/auth/revoke", operation_id = "revoke", tag = "Sign-in", security(()),
    request_body(content = RevokeRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is worth nothing now, whatever it was.")))]
pub async fn revoke(
    app: web::Data<App>,
    Anyone(caller): Anyone,
    form: Form,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (token, shown) = (form.require("token")?, Shown::of(&request, &form));
    revoke::revoke(&app, token, &shown, caller.client_ip).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).finish())
}

/// What the authorization server can do (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", operation_id = "oauth_metadata", tag = "Discovery", security(()),
    params(("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The metadata.", body = Metadata),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn metadata(app: web::Data<App>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    discovery::answer(&app, &conditions, &Metadata::of(&app.config))
}

/// The same as OpenID Connect asks for it (Discovery 1.0). What it names as `authorization_endpoint` is `/oauth/authorize`, the one
/// thing that stands under no version here, for it answers browsers with pages. A client sends its user there by GET, or by a form:
/// `response_type=code`, `client_id`, `redirect_uri` (one of those registered), `code_challenge` with `code_challenge_method=S256`
/// (of every client); perhaps `scope`, `state`, `nonce`, `prompt` (`none`, `login`, `consent`), `max_age`, `login_hint`. The user
/// signs in and is asked, and comes back (303) to `redirect_uri` with `code`, `state` and `iss`, or `error`, `error_description`,
/// `state` and `iss`. What is wrong with the client or its address is a page, and nobody is sent anywhere. `request`, `request_uri`
/// and other response types and modes are refused.
#[utoipa::path(get, path = "/.well-known/openid-configuration", operation_id = "openid_configuration", tag = "Discovery", security(()),
    params(("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The metadata.", body = Metadata),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn openid_configuration(app: web::Data<App>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    discovery::answer(&app, &conditions, &Metadata::of(&app.config))
}
