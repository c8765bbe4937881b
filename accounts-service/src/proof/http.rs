//! The routes under /admin/invariants.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, Scope, web};
use sha2::{Digest, Sha256};
use shared::auth::CanOperateAccounts;
use shared::http::{Body, BodyLimit, NoQuery, WithoutQuery};
use shared::problem::Problem;

use super::model::{InvariantsBody, NewAcknowledgement};
use super::ops;
use crate::app::App;
use crate::idempotency::{Claim, KeyHeader, Stored, cut, digest, once};
use crate::routes::{read, resource};

/// The largest body: a hundred ids and a note.
const BODY: BodyLimit = BodyLimit(16 * 1024);

/// Registers them.
pub fn routes(scope: Scope) -> Scope {
    scope.service(resource("/admin/invariants", "GET, HEAD").route(read().to(show))).service(
        resource("/admin/invariants/acknowledgements", "POST").app_data(BODY).route(web::post().to(acknowledge)),
    )
}

/// Shows what has to hold of the ledger, how much of it the service has looked at by itself, and where it does not hold. Treasurer or admin. A violation is shown until somebody has acted on it, whatever is restarted meanwhile.
#[utoipa::path(
    get, path = "/admin/invariants", operation_id = "get_invariants", tag = "Operations",
    responses((status = 200, description = "How the ledger stands", body = InvariantsBody)),
)]
pub async fn show(_: CanOperateAccounts, _: NoQuery, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let body = ops::show(&app.db.pool, &app.clock, &app.invariants).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(body))
}

/// Says that somebody has acted on violations: they remain on record, with who and when, and no longer make the ledger's status. Found again at the same place, they stay acknowledged, unless they held in between, or are another fault by then: then they are open again. Treasurer or admin; all of them or none.
#[utoipa::path(
    post, path = "/admin/invariants/acknowledgements", operation_id = "acknowledge_violations", tag = "Operations",
    request_body = NewAcknowledgement,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry the same request; kept 30 days")),
    responses((status = 200, description = "How the ledger stands by now", body = InvariantsBody)),
)]
pub async fn acknowledge(
    who: CanOperateAccounts,
    app: web::Data<App>,
    key: KeyHeader,
    WithoutQuery(Body(new)): WithoutQuery<Body<NewAcknowledgement>>,
) -> Result<HttpResponse, Problem> {
    new.check()?;
    let claim = key.optional()?.map(|key| Claim {
        digest: digest(who.user.id, "POST /admin/invariants/acknowledgements", &key),
        fingerprint: fingerprint(&new),
    });
    let stored = once(&app, claim, async |tx| {
        let body = ops::acknowledge(tx, (&app.clock, &app.invariants), &who, &new).await?;
        let body = serde_json::to_vec(&body).map_err(Problem::internal)?;
        Ok(Stored { status: 200, location: None, etag: None, body, replayed: false })
    });
    Ok(stored.await?.into())
}

fn fingerprint(new: &NewAcknowledgement) -> uuid::Uuid {
    let mut hash = Sha256::new();
    new.violations.iter().for_each(|id| hash.update(id));
    hash.update([u8::from(new.note.is_some())]);
    hash.update(new.note.as_deref().unwrap_or_default());
    cut(hash)
}
