//! Requests held against the merged document before an upstream is asked: what it would refuse is refused here. Our own
//! services' are judged by their shape, in their words; where the order of a service's checks is in doubt, the service
//! speaks. Other upstreams' are judged by the whole of JSON Schema: nobody else may do it.

mod body;
mod foreign;
mod operation;
mod operations;
mod ours;
mod parameter;
mod reference;
mod shape;
mod strict;
mod text;
mod values;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix_web::dev::RequestHead;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use bytes::Bytes;
use shared::problem::{Code, Problem};

pub use operations::{Operations, Owner};
pub use values::{Rules, Schemas};

use self::operation::{Operation, Verdict};
use crate::admin::metrics::Judged;
use crate::app::Gateway;
use crate::config;
use crate::policy::idempotency::Asked;
use crate::route::Route;
use crate::upstream::Upstream;
use crate::upstream::body::{Arriving, broken_off};

/// What is done with a route's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validation {
    /// Nothing, counting, or refusing.
    pub mode: config::ValidationMode,
    /// Larger bodies pass unjudged.
    pub body_bytes: u64,
}

impl Validation {
    /// Of a row.
    #[must_use]
    pub fn compile(general: config::Validation, row: &config::Route) -> Self {
        Self { mode: row.validate.unwrap_or(general.mode), body_bytes: general.body_bytes }
    }
}

/// Refuses what the document does not allow. A body that has been read is held, and need not be read again.
///
/// The document speaks for the row's main upstream only: a canary may know more, so what goes to one is not judged.
///
/// # Errors
/// What the service would answer: 404, 400, 415, 422; and 408 or 400 for a body that does not come to its end.
pub async fn check(
    gateway: &Gateway,
    route: &Route,
    upstream: &Arc<Upstream>,
    asked: &Asked<'_>,
    body: &mut Arriving,
) -> Result<(), Problem> {
    let mode = route.validation.mode;
    if mode == config::ValidationMode::Off {
        return Ok(());
    }
    let is_described = Arc::ptr_eq(upstream, &route.upstream);
    let operations = is_described.then(|| gateway.documents.operations());
    let operation = operations.and_then(|all| all.find(&upstream.name, asked.path, &asked.request.head().method));
    let verdict = match operation {
        Some(operation) => judge(&operation, route, asked, body).await?,
        None => Verdict::Unjudged,
    };
    let count = |judged| gateway.metrics.validations.count(&route.pattern, judged);
    match (verdict, mode) {
        (Verdict::Valid, _) => count(Judged::Valid),
        (Verdict::Unjudged, _) => count(Judged::Unjudged),
        (Verdict::Wrong(problem), config::ValidationMode::Refuse) => {
            count(Judged::Refused);
            return Err(problem);
        }
        (Verdict::Wrong(problem), config::ValidationMode::Report | config::ValidationMode::Off) => {
            tracing::debug!(route = route.pattern, code = problem.code().as_str(), "would be refused");
            count(Judged::Reported);
        }
    }
    Ok(())
}

async fn judge(
    operation: &Operation,
    route: &Route,
    asked: &Asked<'_>,
    body: &mut Arriving,
) -> Result<Verdict, Problem> {
    match operation.before_body(asked.request, asked.path, asked.query) {
        Verdict::Valid => {}
        early @ (Verdict::Unjudged | Verdict::Wrong(_)) => return Ok(early),
    }
    if !operation.has_body() {
        return Ok(operation.whole(asked.request, asked.query, None));
    }
    // What is too large for the route is refused where bodies are sent on.
    let most = route.validation.body_bytes.min(route.body_limit);
    let read = read(asked.request.head(), body, most);
    // Whoever does not send it in time has used up the exchange (RFC 9110, section 15.5.9).
    let read = asked.deadline.hold(read).await.map_err(|_| Problem::new(Code::RequestTimeout))??;
    Ok(match read {
        Some(bytes) => operation.whole(asked.request, asked.query, Some(&bytes)),
        None => Verdict::Unjudged,
    })
}

/// The whole body, if it is not larger than `most`.
async fn read(head: &RequestHead, body: &mut Arriving, most: u64) -> Result<Option<Bytes>, Problem> {
    if !announces_body(head) {
        return Ok(Some(Bytes::new()));
    }
    if announced(head).is_some_and(|length| length > most) {
        return Ok(None);
    }
    body.hold(most).await.map_err(|_| broken_off())
}

/// Whether the request has a body (RFC 9112, section 6).
fn announces_body(head: &RequestHead) -> bool {
    head.headers.contains_key(TRANSFER_ENCODING) || announced(head).is_some_and(|length| length > 0)
}

fn announced(head: &RequestHead) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
