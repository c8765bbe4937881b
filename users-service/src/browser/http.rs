//! `POST` and `DELETE /auth/session`, `POST /auth/session/refresh`.

use actix_web::cookie::Cookie;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use shared::auth::Anyone;
use shared::http::{Body, NoBody, NoQuery, WithoutQuery};
use shared::problem::Problem;

use super::model::{CookieSessionView, SignInRequest};
use super::{cookies, ops};
use crate::app::App;
use crate::tokens::Granted;

/// Signs a browser in, by a password or a passkey: as the token endpoint does, but the tokens come in cookies that no page can read
/// (`__Host-tollgate`, `__Host-tollgate-refresh`; `Secure`, `HttpOnly`, `SameSite=Lax`), and none is in the answer. The
/// session that the browser had before ends. Only pages of ours may ask for it: 403 `csrf_refused`. Browsers take such
/// cookies over TLS only, or from `localhost`.
#[utoipa::path(post, path = "/api/v1/auth/session", operation_id = "create_cookie_session", tag = "Sign-in", security(()),
    request_body = SignInRequest,
    responses((status = 200, description = "Signed in; `Set-Cookie` brings the tokens.", body = CookieSessionView)))]
pub async fn create(
    app: web::Data<App>,
    Anyone(caller): Anyone,
    request: HttpRequest,
    WithoutQuery(Body(asked)): WithoutQuery<Body<SignInRequest>>,
) -> Result<HttpResponse, Problem> {
    let granted = ops::sign_in(&app, asked, request.headers(), caller.client_ip).await?;
    Ok(granting(&app, &granted))
}

/// Carries a browser's session on, by the cookie `__Host-tollgate-refresh`. Two tabs that do it at once get the same
/// tokens. A refresh that is refused sets and clears no cookie, so that it cannot undo one that was not.
#[utoipa::path(post, path = "/api/v1/auth/session/refresh", operation_id = "refresh_cookie_session", tag = "Sign-in",
    security(()),
    responses((status = 200, description = "Carried on; `Set-Cookie` brings the next tokens.", body = CookieSessionView)))]
pub async fn refresh(
    app: web::Data<App>,
    Anyone(caller): Anyone,
    request: HttpRequest,
    _: WithoutQuery<NoBody>,
) -> Result<HttpResponse, Problem> {
    let granted = ops::refresh(&app, request.headers(), caller.client_ip).await?;
    Ok(granting(&app, &granted))
}

/// Signs a browser out: its session ends, also for OAuth clients that were let in from it, and the cookies are taken
/// back. It is no error when there is none.
#[utoipa::path(delete, path = "/api/v1/auth/session", operation_id = "delete_cookie_session", tag = "Sign-in", security(()),
    responses((status = 204, description = "Signed out; `Set-Cookie` takes the cookies back.")))]
pub async fn end(
    app: web::Data<App>,
    Anyone(caller): Anyone,
    _: NoQuery,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    ops::sign_out(&app, request.headers(), caller.client_ip).await?;
    Ok(with(HttpResponse::NoContent(), cookies::taken_back(&app)).finish())
}

fn granting(app: &App, granted: &Granted) -> HttpResponse {
    with(HttpResponse::Ok(), cookies::given(app, granted)).json(CookieSessionView::from(granted))
}

fn with(mut answer: HttpResponseBuilder, cookies: [Cookie<'static>; 2]) -> HttpResponseBuilder {
    answer.insert_header((CACHE_CONTROL, "no-store"));
    for cookie in cookies {
        answer.cookie(cookie);
    }
    answer
}
