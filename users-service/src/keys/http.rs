//! `GET /.well-known/jwks.json`.

use actix_web::{HttpResponse, web};
use shared::http::Conditions;
use shared::problem::Problem;

use super::jwk::KeySet;
use crate::app::App;
use crate::discovery;

/// The keys that access tokens and ID tokens are signed with, each kind with its own: the one that signs, the one that will
/// sign next, and those whose tokens have not all expired.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "Discovery", security(()),
    params(("If-None-Match" = Option<String>, Header, description = "304 when it has not changed.")),
    responses((status = 200, description = "The key set (RFC 7517).", body = KeySet),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn jwks(app: web::Data<App>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    let mut set = app.keys.signing.public();
    set.keys.extend(app.keys.id.public().keys);
    discovery::answer(&app, &conditions, &set)
}
