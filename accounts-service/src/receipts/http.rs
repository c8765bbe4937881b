//! `GET /.well-known/receipt-keys.json`.

use actix_web::http::header::{CACHE_CONTROL, ETAG};
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};
use shared::http::{Conditions, entity_tag};
use shared::problem::Problem;

use super::published::KeySet;
use crate::app::App;

/// Bytes of the digest in the tag: enough to tell two sets apart.
const TAG: usize = 16;

/// The keys that receipts are signed with, and every one that they were ever signed with: none is ever taken out, so that a receipt can be checked after years.
///
/// A receipt is a compact JWS (RFC 7515) with the header `{"typ": "tollgate-receipt+jwt", "alg": "EdDSA", "kid"}` and nothing else. Believe one whose `kid` is here, whose signature holds, and whose `iat` is `nbf` or later, before `exp` where there is one, and before `revoked.revoked_at` where the key was revoked. Its payload has `iss`, `iat`, `sub` (the transfer's id), `version` (1), `transfer` (what was recorded: both accounts, `amount`, `currency`, `kind`, `pending_of`, `reversal_of`, `external_ref`, `description_sha256` over the text's UTF-8 bytes, `metadata_sha256` over the bytes from `{` to `}` as the transfer's JSON has them, both in hexadecimal, `expires_at`, `posted_at`, `created_at`) and `chain` (`position` in the order of commit; `batch`, `first_position`, `last_position`, `format` and `hash` of the hash chain's link). A later receipt of the same transfer that says anything else tells that the ledger was rewritten. `accounts-service check-receipt` checks all of it, without us.
#[utoipa::path(
    get, path = "/.well-known/receipt-keys.json", operation_id = "receipt_keys", tag = "Transfers", security(()),
    params(("If-None-Match" = Option<String>, Header, description = "304 when unchanged")),
    responses((status = 200, description = "The key set (RFC 7517).", body = KeySet), (status = 304, description = "Unchanged")),
)]
pub async fn jwks(app: web::Data<App>, conditions: Conditions) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(&app.receipts.published()).map_err(Problem::internal)?;
    let tag = entity_tag(hex::encode(&Sha256::digest(&body)[..TAG]));
    let unchanged = conditions.unchanged(&tag);
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((ETAG, tag));
    // A stale one shows a revoked key as good, whatever a client would put up with.
    let control = format!("public, max-age={}, must-revalidate", app.receipts.max_age().as_secs());
    response.insert_header((CACHE_CONTROL, control));
    Ok(if unchanged { response.finish() } else { response.content_type("application/json").body(body) })
}
