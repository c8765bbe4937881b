//! Reads an upstream's body ahead of its client and keeps it: a client that reads slowly delays nobody who waits.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::{self, UnboundedSender};

use super::replay::{Following, Next};
use crate::waiting::Share;

/// A body as it was found.
pub enum Found {
    /// All of it, and the emptied body that holds the place among the requests in flight.
    Whole(Bytes, BoxBody),
    /// Too large to be kept.
    TooLarge(BoxBody),
    /// What was there of it, and the rest that is still on its way.
    Begun(Option<Piece>, BoxBody),
}

/// A piece of a body, or why there is none.
pub type Piece = Result<Bytes, Box<dyn Error>>;

/// Takes a body of at most `limit` bytes, if it is here already. Nobody is waited for.
#[must_use]
pub fn take(mut body: BoxBody, limit: u64) -> Found {
    let length = match body.size() {
        BodySize::None | BodySize::Sized(0) => return Found::Whole(Bytes::new(), body),
        BodySize::Sized(length) if length > limit => return Found::TooLarge(body),
        BodySize::Sized(length) => Some(length),
        BodySize::Stream => None,
    };
    match body.as_pin_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Ok(bytes))) if Some(bytes.len() as u64) == length => Found::Whole(bytes, body),
        Poll::Ready(Some(piece)) => Found::Begun(Some(piece), body),
        Poll::Ready(None) if length.is_none() => Found::Whole(Bytes::new(), body),
        Poll::Ready(None) => Found::Begun(Some(Err(cut().into())), body),
        Poll::Pending => Found::Begun(None, body),
    }
}

fn cut() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

/// What came of reading a body.
#[derive(Debug)]
pub enum Captured {
    /// All of it.
    Complete(Bytes),
    /// It is too large.
    TooLarge,
    /// Too much is on its way already.
    Crowded,
    /// It broke off.
    Broken,
    /// Nobody wanted it any more.
    Unwanted,
}

/// A body that is read ahead: the client's side, and the reader's.
#[must_use]
pub fn ahead(begun: Option<Piece>, body: BoxBody, bounds: Bounds) -> (Following, Reader) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let size = body.size();
    let client = Following::new(receiver, size, Arc::clone(&bounds.share));
    (client, Reader { begun, body, size, bounds, sender })
}

/// How much is read ahead.
pub struct Bounds {
    /// Of this body, in bytes.
    pub limit: u64,
    /// Of all bodies together.
    pub most: u64,
    /// What this one has of that.
    pub share: Arc<Share>,
}

/// The reader's side.
pub struct Reader {
    begun: Option<Piece>,
    body: BoxBody,
    size: BodySize,
    bounds: Bounds,
    sender: UnboundedSender<Next>,
}

impl Reader {
    /// Reads to the end, or until it is too much. When the client goes away it goes on only if `is_wanted`.
    pub async fn run(mut self, is_wanted: impl Fn() -> bool) -> Captured {
        let mut held = BytesMut::new();
        loop {
            let piece = match self.begun.take() {
                Some(piece) => Some(piece),
                None => match self.read(&is_wanted).await {
                    Some(piece) => piece,
                    None => return Captured::Unwanted,
                },
            };
            // Sending fails when the client is gone; what is read is then for others.
            match piece {
                Some(Ok(piece)) => {
                    let too_large = (held.len() + piece.len()) as u64 > self.bounds.limit;
                    // Once for whoever waits and for the cache, and once for its own client.
                    if too_large || !self.bounds.share.grow(2 * piece.len() as u64, self.bounds.most) {
                        let _ = self.sender.send(Next::Piece(piece));
                        let _ = self.sender.send(Next::Rest(self.body));
                        return if too_large { Captured::TooLarge } else { Captured::Crowded };
                    }
                    held.extend_from_slice(&piece);
                    let _ = self.sender.send(Next::Piece(piece));
                }
                Some(Err(error)) => {
                    let _ = self.sender.send(Next::Broken(error));
                    return Captured::Broken;
                }
                None if matches!(self.size, BodySize::Sized(length) if length != held.len() as u64) => {
                    let _ = self.sender.send(Next::Broken(cut().into()));
                    return Captured::Broken;
                }
                None => {
                    let _ = self.sender.send(Next::End);
                    return Captured::Complete(held.freeze());
                }
            }
        }
    }

    /// The next piece; `None` when nobody wants it any more.
    async fn read(&mut self, is_wanted: impl Fn() -> bool) -> Option<Option<Piece>> {
        let body = &mut self.body;
        let mut read = std::pin::pin!(poll_fn(|context| body.as_pin_mut().poll_next(context)));
        tokio::select! {
            piece = &mut read => Some(piece),
            () = self.sender.closed() => if is_wanted() { Some(read.await) } else { None },
        }
    }
}
