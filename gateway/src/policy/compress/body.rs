//! Bodies on their way through an encoder: small ones in one go, others piece by piece and never held back.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::Place;
use super::encoder::Encoder;
use crate::admin::metrics::compression::Counter;

/// What could be had of a body at once.
pub(super) enum Held {
    /// All of it.
    Whole(Bytes),
    /// Its beginning, or why there is none.
    Begun(Result<Bytes, Box<dyn Error>>),
    /// Nothing yet.
    Nothing,
}

impl Held {
    /// Takes a body of `length` bytes, if it is here already. Nobody is waited for.
    pub(super) fn whole(body: &mut BoxBody, length: u64) -> Self {
        match body.as_pin_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(bytes))) if bytes.len() as u64 == length => Self::Whole(bytes),
            Poll::Ready(Some(begun)) => Self::Begun(begun),
            Poll::Ready(None) => Self::Begun(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())),
            Poll::Pending => Self::Nothing,
        }
    }
}

/// A body of this size from its beginning, which may have been taken.
pub(super) fn resumed(held: Held, body: BoxBody, size: BodySize) -> BoxBody {
    let first = match held {
        Held::Nothing => return body,
        Held::Whole(bytes) => Ok(bytes),
        Held::Begun(begun) => begun,
    };
    BoxBody::new(Resumed { first: Some(first), body, size })
}

struct Resumed {
    first: Option<Result<Bytes, Box<dyn Error>>>,
    body: BoxBody,
    size: BodySize,
}

impl MessageBody for Resumed {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => self.body.as_pin_mut().poll_next(context),
        }
    }
}

/// A body in one piece, and the one it was made of: what that holds (a place among the requests in flight) is held until
/// this one has been sent.
pub(super) struct Whole {
    bytes: Bytes,
    _made_of: BoxBody,
}

impl Whole {
    pub(super) const fn new(bytes: Bytes, made_of: BoxBody) -> Self {
        Self { bytes, _made_of: made_of }
    }
}

impl MessageBody for Whole {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
    }
}

/// What a body is packed with.
pub(super) struct Packing {
    pub encoder: Encoder,
    /// Larger pieces are compressed on another thread: this one has others to serve.
    pub inline: usize,
    pub counters: Counter,
    pub place: Place,
}

/// A body that is compressed while it is being made.
pub(super) struct Packed {
    body: BoxBody,
    work: Work,
    inline: usize,
    /// Whether the encoder may hold something that its reader could have.
    holds: bool,
    counters: Counter,
    _place: Place,
}

enum Work {
    /// The encoder is here.
    Here(Box<Encoder>),
    /// It is at work elsewhere.
    Away(JoinHandle<io::Result<Box<Encoder>>>),
    Over,
}

impl Packed {
    pub(super) fn new(body: BoxBody, packing: Packing) -> Self {
        let Packing { encoder, inline, counters, place } = packing;
        counters.begin();
        Self { body, work: Work::Here(Box::new(encoder)), inline, holds: false, counters, _place: place }
    }

    /// Waits for the encoder, if it is away.
    fn poll_encoder(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Work::Away(task) = &mut self.work {
            let encoder = ready!(Pin::new(task).poll(context)).map_err(io::Error::other)??;
            self.work = Work::Here(encoder);
        }
        Poll::Ready(Ok(()))
    }

    /// One step: something to send, the end, or `Pending`. `None` means: go on.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Option<Step>> {
        if let Err(error) = ready!(self.poll_encoder(context)) {
            return Poll::Ready(Some(Step::Send(Err(error.into()))));
        }
        let Work::Here(mut encoder) = std::mem::replace(&mut self.work, Work::Over) else {
            return Poll::Ready(Some(Step::End));
        };
        let done = match self.body.as_pin_mut().poll_next(context) {
            Poll::Ready(Some(Ok(piece))) => {
                self.counters.taken(piece.len());
                self.holds = true;
                if piece.len() > self.inline {
                    let work = move || encoder.write(&piece).map(|()| encoder);
                    self.work = Work::Away(tokio::task::spawn_blocking(work));
                    return Poll::Ready(None);
                }
                encoder.write(&piece)
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Step::Send(Err(error)))),
            Poll::Ready(None) => {
                let rest = encoder.finish().map_err(Into::into);
                return Poll::Ready(Some(Step::Send(rest)));
            }
            // The upstream pauses: what it has said so far is for now.
            Poll::Pending if self.holds => {
                self.holds = false;
                encoder.flush()
            }
            Poll::Pending => {
                self.work = Work::Here(encoder);
                return Poll::Pending;
            }
        };
        let out = encoder.take();
        self.work = Work::Here(encoder);
        Poll::Ready(match done {
            Err(error) => Some(Step::Send(Err(error.into()))),
            Ok(()) if out.is_empty() => None,
            Ok(()) => Some(Step::Send(Ok(out))),
        })
    }
}

enum Step {
    Send(Result<Bytes, Box<dyn Error>>),
    End,
}

impl MessageBody for Packed {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        loop {
            match ready!(self.poll_step(context)) {
                None => {}
                Some(Step::End) => return Poll::Ready(None),
                // An empty piece would look like the end.
                Some(Step::Send(Ok(piece))) if piece.is_empty() => {}
                Some(Step::Send(Ok(piece))) => {
                    self.counters.given(piece.len());
                    return Poll::Ready(Some(Ok(piece)));
                }
                Some(Step::Send(Err(error))) => {
                    self.work = Work::Over;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
