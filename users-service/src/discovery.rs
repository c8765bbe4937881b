//! Documents that anybody may fetch and keep: the key set and the metadata, each with an `ETag` of its content.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, ETAG};
use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use shared::http::{Conditions, entity_tag};
use shared::problem::Problem;

use crate::app::App;

/// Bytes of the digest in the tag: enough to tell two documents apart.
const TAG: usize = 16;

/// `document` as JSON, or 304 to whoever has it already.
///
/// # Errors
/// 500 when it cannot be written as JSON.
pub fn answer(app: &App, conditions: &Conditions, document: &impl Serialize) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(document).map_err(Problem::internal)?;
    let tag = entity_tag(hex::encode(&digest(&SHA256, &body).as_ref()[..TAG]));
    let unchanged = conditions.unchanged(&tag);
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    let max_age = app.config.tokens.jwks_max_age.get().as_secs();
    response.insert_header((ETAG, tag));
    // A stale key set shows a revoked key as good, whatever a client would put up with.
    response.insert_header((CACHE_CONTROL, format!("public, max-age={max_age}, must-revalidate")));
    Ok(if unchanged { response.finish() } else { response.content_type("application/json").body(body) })
}
