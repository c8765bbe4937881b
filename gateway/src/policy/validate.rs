//! Requests held against the merged document before an upstream is asked: what it would refuse for its shape is refused
//! here, in its own words. Where the order of the service's checks is in doubt, the service speaks.

mod body;
mod operation;
mod operations;
mod shape;

#[cfg(test)]
mod tests;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use shared::problem::{Code, Problem};

pub use operations::{Operations, Owner};

use self::operation::{Operation, Verdict};
use crate::admin::metrics::Judged;
use crate::app::Gateway;
use crate::config;
use crate::policy::idempotency::Asked;
use crate::route::Route;
use crate::upstream::body::broken_off;

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

/// Refuses what the document does not allow. What has been read of the body is put back.
///
/// # Errors
/// What the service would answer: 404, 400, 415, 422; and 408 or 400 for a body that does not come to its end.
pub async fn check(gateway: &Gateway, route: &Route, asked: &Asked<'_>, payload: &mut Payload) -> Result<(), Problem> {
    let mode = route.validation.mode;
    if mode == config::ValidationMode::Off {
        return Ok(());
    }
    let upstream = &route.upstream.name;
    let operation = gateway.documents.operations().find(upstream, asked.path, &asked.request.head().method);
    // A canary may know more than the document says of the main upstream.
    let operation = operation.filter(|_| route.split.branches().is_empty());
    let verdict = match operation {
        Some(operation) => judge(&operation, route, asked, payload).await?,
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
    payload: &mut Payload,
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
    let read = read(asked.request.head(), payload, most);
    // Whoever does not send it in time has used up the exchange (RFC 9110, section 15.5.9).
    let read = asked.deadline.hold(read).await.map_err(|_| Problem::new(Code::RequestTimeout))??;
    let Some(bytes) = read else { return Ok(Verdict::Unjudged) };
    let verdict = operation.whole(asked.request, asked.query, Some(&bytes));
    if !bytes.is_empty() {
        *payload = Payload::from(bytes);
    }
    Ok(verdict)
}

/// The whole body, if it is not larger than `most`; else what has been read of it is put back.
async fn read(head: &RequestHead, payload: &mut Payload, most: u64) -> Result<Option<Bytes>, Problem> {
    if !announces_body(head) {
        return Ok(Some(Bytes::new()));
    }
    if announced(head).is_some_and(|length| length > most) {
        return Ok(None);
    }
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut length = 0;
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| broken_off())?;
        length += piece.len();
        pieces.push(piece);
        if length as u64 > most {
            *payload = again(pieces, payload.take());
            return Ok(None);
        }
    }
    Ok(Some(match pieces.len() {
        0 => Bytes::new(),
        1 => pieces.swap_remove(0),
        _ => pieces.iter().fold(BytesMut::with_capacity(length), joined).freeze(),
    }))
}

fn joined(mut whole: BytesMut, piece: &Bytes) -> BytesMut {
    whole.extend_from_slice(piece);
    whole
}

/// A body that begins with what has been read of it.
fn again(pieces: Vec<Bytes>, rest: Payload) -> Payload {
    Payload::from(stream::iter(pieces.into_iter().map(Ok)).chain(rest).boxed_local())
}

/// Whether the request has a body (RFC 9112, section 6).
fn announces_body(head: &RequestHead) -> bool {
    head.headers.contains_key(TRANSFER_ENCODING) || announced(head).is_some_and(|length| length > 0)
}

fn announced(head: &RequestHead) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
