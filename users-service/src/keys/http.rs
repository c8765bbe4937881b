//! `GET /.well-known/jwks.json`.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use actix_web::{HttpResponse, web};
use aws_lc_rs::digest::{SHA256, digest};
use shared::http::{Conditions, entity_tag};
use shared::problem::Problem;

use super::signing::KeySet;
use crate::app::App;

/// The keys that access tokens are signed with.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "Discovery", security(()),
    responses((status = 200, description = "The key set (RFC 7517).", body = KeySet),
              (status = 304, description = "It has not changed since the ETag sent.")))]
pub async fn jwks(app: web::Data<App>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(&app.keys.public()).map_err(Problem::internal)?;
    let check = digest(&SHA256, &body);
    let tag = entity_tag(hex::encode(&check.as_ref()[..16]));
    let unchanged = conditions.unchanged(&tag);
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((ETAG, tag));
    let max_age = app.config.tokens.jwks_max_age.get().as_secs();
    response.insert_header((CACHE_CONTROL, format!("public, max-age={max_age}")));
    if unchanged {
        return Ok(response.finish());
    }
    Ok(response.insert_header((CONTENT_TYPE, "application/json")).body(body))
}
