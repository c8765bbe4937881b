//! Bodies read whole: the request's, to be compared, and the answer's, to be kept.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::RequestHead;
use bytes::{Bytes, BytesMut};
use shared::problem::{Code, Problem};

use crate::policy::shape;
use crate::upstream::body::{Arriving, Cut, broken_off};

/// Reads a request's body, at most `limit` bytes of it, and holds it for whoever sends it on.
///
/// # Errors
/// 413 when it is larger, 400 when it breaks off.
pub async fn read(body: &mut Arriving, head: &RequestHead, limit: u64) -> Result<Bytes, Problem> {
    shape::check_length(head, limit)?;
    body.hold(limit).await.map_err(|_| broken_off())?.ok_or_else(|| shape::too_large(limit))
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
