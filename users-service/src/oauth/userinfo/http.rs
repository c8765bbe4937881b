//! `GET` and `POST /auth/userinfo`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use shared::auth::SignedIn;
use shared::problem::{Code, Problem};

use super::UserInfo;
use crate::app::App;
use crate::idempotency::Answer;
use crate::oauth::scope::{OPENID, Scope, WHOLE};
use crate::users::{self, Status};

/// Tells who has signed in, to whoever has their access token with the scope `openid`: more of it with `profile` and `email`.
#[utoipa::path(get, path = "/api/v1/auth/userinfo", operation_id = "userinfo", tag = "Sign-in",
    responses((status = 200, description = "The claims that the token's scope allows.", body = UserInfo)))]
pub async fn get(app: web::Data<App>, caller: SignedIn) -> Result<HttpResponse, Problem> {
    tell(&app, &caller).await
}

/// The same by POST, as OpenID Connect wants it.
#[utoipa::path(post, path = "/api/v1/auth/userinfo", operation_id = "userinfo_by_post", tag = "Sign-in",
    responses((status = 200, description = "The claims that the token's scope allows.", body = UserInfo)))]
pub async fn post(app: web::Data<App>, caller: SignedIn) -> Result<HttpResponse, Problem> {
    tell(&app, &caller).await
}

async fn tell(app: &App, caller: &SignedIn) -> Result<HttpResponse, Problem> {
    let scope = Scope::stored(&caller.user.scope);
    if !scope.has(OPENID) && !scope.has(WHOLE) {
        let challenge = "Bearer error=\"insufficient_scope\", scope=\"openid\"";
        return Err(Problem::new(Code::Forbidden).detail("This needs the scope openid.").challenge(challenge));
    }
    let user = users::find(app.database.read(), caller.user.id).await?;
    let user = user.filter(|user| user.status == Status::Active).ok_or_else(|| Problem::new(Code::TokenInvalid))?;
    Ok(Answer::json(StatusCode::OK, &UserInfo::of(user, &scope))?.into())
}
