//! Bodies read whole: the request's, to be compared, and the answer's, to be kept.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, RequestHead};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use shared::problem::{Code, Problem};

use crate::policy::shape;
use crate::upstream::body::{Cut, broken_off};

/// Reads a request's body, at most `limit` bytes of it.
///
/// # Errors
/// 413 when it is larger, 400 when it breaks off.
pub async fn read(payload: &mut Payload, head: &RequestHead, limit: u64) -> Result<Bytes, Problem> {
    shape::check_length(head, limit)?;
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| broken_off())?;
        if (whole.len().max(first.len()) + piece.len()) as u64 > limit {
            return Err(shape::too_large(limit));
        }
        // Nearly always there is one piece, which needs no copy.
        if first.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

/// What became of an answer's body.
pub enum Gathered {
    /// It is here; the answer tells it all the same.
    Whole(HttpResponse<BoxBody>, Bytes),
    /// It is larger than may be kept; the answer goes on.
    TooLarge(HttpResponse<BoxBody>),
    /// It broke off.
    Broken(Problem),
}

/// Reads an answer's body up to its end, or until it is known to be larger than `limit` bytes.
pub async fn gather(answer: HttpResponse<BoxBody>, limit: usize) -> Gathered {
    let (answer, mut body) = answer.into_parts();
    let size = body.size();
    if matches!(size, BodySize::Sized(bytes) if bytes > limit as u64) {
        return Gathered::TooLarge(answer.set_body(body));
    }
    let mut whole = BytesMut::new();
    loop {
        match poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
            Some(Ok(piece)) => whole.extend_from_slice(&piece),
            Some(Err(error)) => return Gathered::Broken(broken(&*error)),
            None => {
                let whole = whole.freeze();
                let size = BodySize::Sized(whole.len() as u64);
                // The body stays until its bytes are sent: it holds the exchange's place inside.
                let told = Told { first: whole.clone(), rest: body, ended: true, size };
                return Gathered::Whole(answer.set_body(BoxBody::new(told)), whole);
            }
        }
        if whole.len() > limit {
            let told = Told { first: whole.freeze(), rest: body, ended: false, size };
            return Gathered::TooLarge(answer.set_body(BoxBody::new(told)));
        }
    }
}

fn broken(error: &(dyn std::error::Error + 'static)) -> Problem {
    match error.downcast_ref::<Cut>() {
        Some(Cut::Deadline) => Problem::new(Code::GatewayTimeout),
        Some(Cut::Upstream(_)) | None => Problem::unavailable(Code::BadGateway, error),
    }
}

/// A body that was read, wholly or in part, as a body.
struct Told {
    first: Bytes,
    rest: BoxBody,
    ended: bool,
    size: BodySize,
}

impl MessageBody for Told {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.first))));
        }
        if self.ended { Poll::Ready(None) } else { Pin::new(&mut self.rest).poll_next(context) }
    }
}
