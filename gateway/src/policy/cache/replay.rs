//! Bodies of answers on cached routes: from the cache in one piece, or from the upstream while they are being kept.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::waiting::Share;

/// What is handed over at once: the listener copies it, and a client that reads slowly keeps the copy.
const PIECE: usize = 32_768;

/// A body that is here already, and what must be held until it has been sent: a place among the requests in flight.
pub struct Replay<G> {
    body: Bytes,
    _held: G,
}

impl<G> Replay<G> {
    /// A body.
    pub const fn new(body: Bytes, held: G) -> Self {
        Self { body, _held: held }
    }
}

impl<G: Unpin> MessageBody for Replay<G> {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.body.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = self.body.len().min(PIECE);
        Poll::Ready((next > 0).then(|| Ok(self.body.split_to(next))))
    }
}

/// What comes next of a body that somebody else reads.
pub enum Next {
    /// A piece.
    Piece(Bytes),
    /// All that follows, to be read by oneself: it is too large to be kept.
    Rest(BoxBody),
    /// It broke off.
    Broken(Box<dyn Error>),
    /// That was all.
    End,
}

/// The reader's side of a body that is read ahead of its client.
pub struct Following {
    next: mpsc::UnboundedReceiver<Next>,
    rest: Option<BoxBody>,
    size: BodySize,
    share: Option<Arc<Share>>,
}

impl Following {
    /// Follows what is sent, of which `share` is held until all that was read ahead has been handed over.
    pub const fn new(next: mpsc::UnboundedReceiver<Next>, size: BodySize, share: Arc<Share>) -> Self {
        Self { next, rest: None, size, share: Some(share) }
    }
}

impl MessageBody for Following {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(rest) = &mut self.rest {
            return rest.as_pin_mut().poll_next(context);
        }
        match std::task::ready!(self.next.poll_recv(context)) {
            Some(Next::Piece(piece)) => Poll::Ready(Some(Ok(piece))),
            Some(Next::Broken(error)) => Poll::Ready(Some(Err(error))),
            Some(Next::End) => Poll::Ready(None),
            Some(Next::Rest(rest)) => {
                (self.rest, self.share) = (Some(rest), None);
                self.poll_next(context)
            }
            // Whoever read it is gone: what has come so far must not look complete.
            None => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_ahead_is_given_back_when_the_rest_is_read_by_oneself() {
        let (waiting, mut nobody) = (crate::waiting::Waiting::default(), Context::from_waker(std::task::Waker::noop()));
        let (sender, receiver) = mpsc::unbounded_channel();
        let share = waiting.share();
        assert!(share.grow(100, 100));
        let mut client = Following::new(receiver, BodySize::Stream, share);
        let _ = sender.send(Next::Piece(Bytes::from_static(b"ahead")));
        let _ = sender.send(Next::Rest(BoxBody::new("the rest")));
        for (piece, held) in [("ahead", 100), ("the rest", 0)] {
            let Poll::Ready(Some(Ok(come))) = Pin::new(&mut client).poll_next(&mut nobody) else { panic!("{piece}") };
            assert_eq!((come, waiting.bytes()), (Bytes::from(piece), held));
        }
    }

    #[test]
    fn a_kept_body_is_handed_over_in_pieces_and_held_until_its_end() {
        let (whole, held) = (Bytes::from(vec![7; 3 * PIECE + 1]), Arc::new(()));
        let mut replay = Replay::new(whole.clone(), Arc::clone(&held));
        let mut nobody = Context::from_waker(std::task::Waker::noop());
        let mut sent = Vec::new();
        while let Poll::Ready(Some(Ok(piece))) = Pin::new(&mut replay).poll_next(&mut nobody) {
            assert!(piece.len() <= PIECE && Arc::strong_count(&held) == 2);
            sent.extend_from_slice(&piece);
        }
        assert_eq!(sent, whole);
    }
}
