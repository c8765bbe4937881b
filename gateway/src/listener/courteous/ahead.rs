//! What a client sends before its last request is answered, held back until then. The parser answers each request by the
//! method and the version of the one that it has read last, so it must never have read two.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// How much is held. Who sends more waits in the kernel's buffers.
const MOST: usize = 65_536;
const PIECE: usize = 2048;

/// How long an answer may still take for a client that has closed its side. Some close as soon as they have asked, and
/// wait; most have gone, and what they asked for is cancelled upstream.
const GRACE: Duration = Duration::from_millis(100);

/// The bytes, and who wants them.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    held: BytesMut,
    reader: Option<Waker>,
    gone: Option<Pin<Box<Sleep>>>,
}

impl Ahead {
    /// Reads on while an answer is under way, so that a client that goes away is noticed. Never ready with success.
    pub(super) fn poll_fill<S, T>(&mut self, stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<T>>
    where
        S: AsyncRead + Unpin,
    {
        if self.reader.as_ref().is_none_or(|reader| !reader.will_wake(context.waker())) {
            self.reader = Some(context.waker().clone());
        }
        while self.gone.is_none() && self.held.len() < MOST {
            let mut space = [0; PIECE];
            let mut piece = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut piece))?;
            if piece.filled().is_empty() {
                self.gone = Some(Box::pin(tokio::time::sleep(GRACE)));
            }
            self.held.extend_from_slice(piece.filled());
        }
        ready!(self.gone.as_mut().map_or(Poll::Pending, |gone| gone.as_mut().poll(context)));
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }

    /// Hands over what is held, as far as there is room. `false`: nothing is.
    pub(super) fn give(&mut self, into: &mut ReadBuf<'_>) -> bool {
        let some = self.held.len().min(into.remaining());
        into.put_slice(&self.held[..some]);
        self.held.advance(some);
        some > 0
    }

    /// Takes back what belongs to the next request.
    pub(super) fn put_back(&mut self, rest: &[u8]) {
        let behind = std::mem::replace(&mut self.held, BytesMut::from(rest));
        self.held.extend_from_slice(&behind);
    }

    /// The answer has ended: the reader may have the next request.
    pub(super) fn release(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
