//! A stream that minds actix's manners. What is no HTTP is answered by the parser, below any app, with a bare status:
//! here that answer becomes a problem like every other. What the parser would let pass, or drop without a word, or wait
//! for without an end, does not get that far.

mod ahead;
mod consent;
mod pace;
mod watch;

#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use shared::problem::{Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::manners::Manners;
use crate::admin::metrics::Slow;
use crate::policy::headers::REQUEST_ID;
use ahead::Ahead;
use consent::CONTINUE;
pub use consent::Consent;
use pace::Pace;
use watch::{Kind, Watch};

/// The parser's own answers are short; ours never are.
const BARE_AT_MOST: usize = 160;

/// `Connection: close` stands among the first lines of an answer.
const FIRST_LINES: usize = 128;

/// A client's stream.
pub(super) struct Courteous<S: AsyncWrite + Unpin> {
    stream: S,
    manners: Arc<Manners>,
    /// A problem on its way out, in place of a bare answer.
    problem: Bytes,
    /// Whether the last answer said that it is the last: what the parser adds to it is for nobody.
    closing: bool,
    /// Whether the client has been told that nothing more comes.
    ended: bool,
    requests: Watch,
    answers: Watch,
    /// The request whose head has come, and which nothing has begun to answer.
    asked: Option<Kind>,
    ahead: Ahead,
    /// What the app has to say of the present request.
    consent: Consent,
    /// Whether the parser has asked for a body that nobody may want: the client is asked when somebody does.
    asks: bool,
    /// What the parser is going to refuse without knowing why.
    fault: Option<Code>,
    /// The end of the time for a head that has begun, or for a body that nobody waits for.
    patience: Option<Pin<Box<Sleep>>>,
    /// How fast a body comes that is wanted.
    pace: Pace,
    /// The end of the time for a client that does not take what is written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Courteous<S> {
    pub(super) fn new(stream: S, manners: Arc<Manners>) -> Self {
        Self {
            stream,
            requests: Watch::new(manners.line_bytes()),
            answers: Watch::new(usize::MAX),
            manners,
            problem: Bytes::new(),
            closing: false,
            ended: false,
            asked: None,
            ahead: Ahead::default(),
            consent: Consent::default(),
            asks: false,
            fault: None,
            patience: None,
            pace: Pace::default(),
            stuck: None,
        }
    }

    /// What the app tells this stream with.
    pub(super) fn consent(&self) -> Consent {
        self.consent.clone()
    }

    /// The client's stream itself.
    pub(super) const fn inner(&self) -> &S {
        &self.stream
    }

    fn poll_problem(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.problem.has_remaining() {
            let written = Pin::new(&mut self.stream).poll_write(context, &self.problem);
            let written = ready!(self.while_it_moves(context, written))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.problem.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// A body whose framing breaks makes the parser drop the connection without a word. The word is said here, when there is
/// no doubt whose it is; and an end that cuts off nothing is made a proper one, without which TLS clients suspect that
/// somebody else cut them off (RFC 8446, section 6.1).
impl<S: AsyncWrite + Unpin> Drop for Courteous<S> {
    fn drop(&mut self) {
        if self.ended || !self.answers.is_between() {
            return;
        }
        if let Some(code) = self.fault.filter(|_| self.asked.is_some() && !self.closing) {
            self.problem = self.manners.answer(&Problem::new(code));
        }
        // It fits into the socket's buffer, or it is not worth waiting for.
        let mut nobody = Context::from_waker(Waker::noop());
        if self.poll_problem(&mut nobody).is_ready() {
            let _ = Pin::new(&mut self.stream).poll_shutdown(&mut nobody);
        }
    }
}

impl<S: AsyncWrite + Unpin> Courteous<S> {
    /// Where a bare answer stands at the end of what is written, and which problem it is. It may follow another answer,
    /// but not stand in its body.
    fn bare_end(&self, bytes: &[u8]) -> Option<(usize, Code)> {
        // An answer with a body hardly ends like this; nearly every write is done here.
        if !bytes.ends_with(b"\r\n\r\n") {
            return None;
        }
        let from = bytes.len().saturating_sub(BARE_AT_MOST);
        let at = from + bytes[from..].windows(b"HTTP/1.".len()).rposition(|start| start == b"HTTP/1.")?;
        let code = bare(&bytes[at..])?;
        let (mut answers, mut asked) = (self.answers.clone(), self.asked);
        follow(&mut answers, &mut asked, &bytes[..at]);
        answers.is_between().then_some((at, code))
    }

    /// Whether the parser has a whole request whose answer has not ended.
    const fn is_answering(&self) -> bool {
        let has_ended = self.answers.is_between() || self.answers.is_switched();
        self.requests.is_between() && (self.asked.is_some() || !has_ended)
    }

    /// `polled`, or an error when the client has taken nothing for too long: it would hold its place for ever.
    fn while_it_moves<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stuck = None;
            return polled;
        }
        let timeout = self.manners.patience.write;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(stuck.as_mut().poll(context));
        self.manners.metrics.slow(Slow::Answer);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Looks at what has come: how much of it belongs to the present request. Makes the parser refuse what is wrong: NUL
    /// stands in no head. In a body it may, so that there the connection ends.
    fn inspect(&mut self, come: &mut [u8]) -> io::Result<usize> {
        let seen = self.requests.look(come, |kind| {
            self.asked = Some(kind);
            true
        });
        let looked_at = match seen {
            Ok(looked_at) => looked_at,
            Err((at, fault)) => {
                self.fault = Some(fault.code());
                if self.requests.is_in_body() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                come[at..].fill(0);
                come.len()
            }
        };
        if !self.is_unfinished() {
            self.patience = None;
        }
        if self.requests.is_in_body() {
            self.pace.came(looked_at);
        } else {
            self.pace.reset();
        }
        Ok(looked_at)
    }

    /// Whether something has begun that may not take for ever.
    const fn is_unfinished(&self) -> bool {
        self.requests.is_in_head() || self.is_leftover()
    }

    /// Waits for more of what has begun: a head, for which the parser has a timer only on a connection's first, or the rest
    /// of a body whose request has been answered already. A body that is wanted has a pace to keep.
    fn poll_patience(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.is_unfinished() {
            // Who has not been asked for it yet is not slow.
            return if self.requests.is_in_framed_body() && !self.asks {
                self.pace.poll(self.manners.patience.body, context)
            } else {
                Poll::Pending
            };
        }
        let timeout = self.manners.patience.head;
        let patience = self.patience.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(patience.as_mut().poll(context));
        self.patience = None;
        Poll::Ready(())
    }

    /// Whether a body is under way whose request has been answered.
    const fn is_leftover(&self) -> bool {
        self.requests.is_in_body() && self.asked.is_none() && self.answers.is_between()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Courteous<S> {
    /// Behind a 101 everything is the other protocol's.
    fn poll_tunnel(&mut self, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.consent.is_over(context.waker()) || self.ahead.give(into) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Courteous<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.answers.is_switched() {
            return this.poll_tunnel(context, into);
        }
        if this.is_answering() {
            return this.ahead.poll_fill(&mut this.stream, context);
        }
        let before = into.filled().len();
        while into.filled().len() == before {
            if !this.ahead.give(into) && Pin::new(&mut this.stream).poll_read(context, into)?.is_pending() {
                ready!(this.poll_patience(context));
                if this.is_leftover() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                this.fault = Some(Code::RequestTimeout);
                if this.requests.is_in_body() {
                    this.manners.metrics.slow(Slow::Body);
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                this.manners.metrics.slow(Slow::Head);
                into.put_slice(&[0]);
                return Poll::Ready(Ok(()));
            }
            if into.filled().len() == before {
                // A client that closes has gone.
                this.fault = None;
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if this.requests.is_between() {
                skip_empty_lines(into, before);
            }
        }
        let come = &mut into.filled_mut()[before..];
        let end = before + this.inspect(come)?;
        if end < into.filled().len() {
            this.ahead.put_back(&into.filled()[end..]);
            into.set_filled(end);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Courteous<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_problem(context))?;
        if self.answers.is_between() {
            self.asks = bytes.starts_with(CONTINUE);
            if self.asks {
                return Poll::Ready(Ok(CONTINUE.len()));
            }
            self.consent.reset();
        }
        match self.bare_end(bytes) {
            Some((0, code)) => {
                if !self.closing {
                    self.closing = true;
                    self.problem = self.manners.answer(&Problem::new(self.fault.unwrap_or(code)));
                    // Taken, whether or not it could leave at once: the rest goes with the next write or flush.
                    let _ = self.poll_problem(context)?;
                }
                Poll::Ready(Ok(bytes.len()))
            }
            end => {
                let bytes = end.map_or(bytes, |(at, _)| &bytes[..at]);
                if self.answers.is_between() {
                    self.closing = says_close(bytes);
                }
                let written = Pin::new(&mut self.stream).poll_write(context, bytes);
                let written = ready!(self.while_it_moves(context, written))?;
                let this = &mut *self;
                follow(&mut this.answers, &mut this.asked, &bytes[..written]);
                if !this.is_answering() {
                    this.ahead.release();
                }
                if this.is_leftover() {
                    // The reader is to come by once more, for its timer.
                    context.waker().wake_by_ref();
                }
                Poll::Ready(Ok(written))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.asks && self.consent.is_given_to(context.waker()) {
            self.asks = false;
            self.problem = Bytes::from_static(CONTINUE);
        }
        ready!(self.poll_problem(context))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.while_it_moves(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_problem(context))?;
        self.closing = true;
        let ended = Pin::new(&mut self.stream).poll_shutdown(context);
        self.ended = ended.is_ready();
        ended
    }
}

/// Empty lines between requests mean nothing (RFC 9112, section 2.2); to the parser they are the beginning of one, and end
/// its patience with an idle connection.
fn skip_empty_lines(into: &mut ReadBuf<'_>, from: usize) {
    let come = &mut into.filled_mut()[from..];
    let empty = come.chunks_exact(2).take_while(|pair| *pair == b"\r\n").count() * 2;
    let left = come.len() - empty;
    come.copy_within(empty.., 0);
    into.set_filled(from + left);
}

/// Follows what is written. Our own answers are framed well.
fn follow(answers: &mut Watch, asked: &mut Option<Kind>, mut written: &[u8]) {
    while !written.is_empty() {
        // Whether a body may follow a head depends on what was asked.
        let seen = answers.look(written, |kind| kind == Kind::Interim || asked.take() != Some(Kind::Head));
        debug_assert!(seen.is_ok(), "{seen:?}");
        written = &written[seen.unwrap_or(written.len())..];
    }
}

fn says_close(head: &[u8]) -> bool {
    let first = &head[..head.len().min(FIRST_LINES)];
    first.windows(b"\r\nconnection: close\r\n".len()).any(|line| line == b"\r\nconnection: close\r\n")
}

/// Which problem an answer of the parser's stands for. It has a status line, a length of zero, and none of the headers
/// that every answer of ours has.
fn bare(bytes: &[u8]) -> Option<Code> {
    let head = std::str::from_utf8(bytes).ok()?;
    let (line, headers) = head.split_once("\r\n")?;
    if !headers.starts_with("content-length: 0\r\n") || headers.contains(REQUEST_ID.as_str()) {
        return None;
    }
    match line.split(' ').nth(1)? {
        "400" => Some(Code::MalformedRequest),
        "408" => Some(Code::RequestTimeout),
        "431" => Some(Code::HeadersTooLarge),
        _ => None,
    }
}
