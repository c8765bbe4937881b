//! The answer's body on its way to the client, and what must live as long as it does.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Sleep;

use crate::policy::deadline::Deadline;
use crate::policy::in_flight::Permit;
use crate::upstream::breaker::Admission;
use crate::upstream::endpoint::Lease;

type Pieces = Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>>>>;

/// What is given back when the body has been sent, or the client has gone: the place inside, and the admission.
#[derive(Debug, Default)]
pub struct Guards {
    /// The place among the requests in flight.
    pub permit: Option<Permit>,
    /// The breaker's leave, settled already unless a probe's body is still on its way.
    pub admission: Option<Admission>,
    /// The call of an endpoint, which counts among those that are out.
    pub lease: Option<Lease>,
}

impl Guards {
    /// The upstream broke off an answer that it had begun well.
    pub fn relapse(&mut self) {
        if let Some(admission) = &self.admission {
            admission.relapse(Instant::now());
        }
    }
}

/// A body of an answer.
pub struct Answer {
    content: Content,
    guards: Guards,
}

enum Content {
    Whole(Bytes),
    Pieces { pieces: Pieces, size: BodySize, deadline: Option<Pin<Box<Sleep>>> },
}

/// Why an answer ended before its end. The connection is closed, which is how HTTP/1.1 says so.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The upstream broke it off. Without the address that was asked for, which is no business of a log.
    #[error("the upstream broke off its answer: {0}")]
    Upstream(#[from] reqwest::Error),
    /// The exchange took too long.
    #[error("the exchange's deadline passed while its answer was being sent")]
    Deadline,
}

impl Answer {
    /// A body that is here already.
    #[must_use]
    pub const fn whole(body: Bytes, guards: Guards) -> Self {
        Self { content: Content::Whole(body), guards }
    }

    /// A body that is still coming in, of `size` bytes if that is known.
    pub fn pieces(
        pieces: impl Stream<Item = reqwest::Result<Bytes>> + 'static,
        size: Option<u64>,
        deadline: Deadline,
        guards: Guards,
    ) -> Self {
        let deadline = deadline.instant().map(|end| Box::pin(tokio::time::sleep_until(end.into())));
        let size = size.map_or(BodySize::Stream, BodySize::Sized);
        Self { content: Content::Pieces { pieces: Box::pin(pieces), size, deadline }, guards }
    }
}

impl MessageBody for Answer {
    type Error = Cut;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::Whole(body) => BodySize::Sized(body.len() as u64),
            Content::Pieces { size, .. } => *size,
        }
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        let answer = &mut *self;
        match &mut answer.content {
            Content::Whole(body) if body.is_empty() => Poll::Ready(None),
            Content::Whole(body) => Poll::Ready(Some(Ok(std::mem::take(body)))),
            Content::Pieces { pieces, deadline, .. } => {
                if let Poll::Ready(piece) = pieces.as_mut().poll_next(context) {
                    if matches!(piece, Some(Err(_))) {
                        answer.guards.relapse();
                    }
                    return Poll::Ready(piece.map(|piece| piece.map_err(|error| Cut::from(error.without_url()))));
                }
                match deadline.as_mut().map(|deadline| deadline.as_mut().poll(context)) {
                    Some(Poll::Ready(())) => Poll::Ready(Some(Err(Cut::Deadline))),
                    Some(Poll::Pending) | None => Poll::Pending,
                }
            }
        }
    }
}
