//! A stream that minds actix's manners. What is no HTTP is answered by the parser, below any app, with a bare status:
//! here that answer becomes a problem like every other. What the parser would let pass, or drop without a word, or wait
//! for without an end, does not get that far.

mod watch;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use shared::problem::{self, CONTENT_TYPE_PROBLEM, Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Manners;
use crate::policy::headers::REQUEST_ID;
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
    requests: Watch,
    answers: Watch,
    /// Requests whose head has come, and which nothing has begun to answer, the first one first.
    asked: VecDeque<Kind>,
    /// What the parser is going to refuse without knowing why.
    fault: Option<Code>,
    /// The end of the time for a head that has begun.
    patience: Option<Pin<Box<Sleep>>>,
    /// The end of the time for a client that does not take what is written.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Courteous<S> {
    pub(super) fn new(stream: S, manners: Arc<Manners>) -> Self {
        Self {
            stream,
            requests: Watch::new(manners.line_bytes),
            answers: Watch::new(usize::MAX),
            manners,
            problem: Bytes::new(),
            closing: false,
            asked: VecDeque::new(),
            fault: None,
            patience: None,
            stuck: None,
        }
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
/// no doubt whose it is.
impl<S: AsyncWrite + Unpin> Drop for Courteous<S> {
    fn drop(&mut self) {
        if let Some(code) = self.fault.filter(|_| self.asked.len() == 1 && !self.closing) {
            self.problem = answer(code, &self.manners);
            // It fits into the socket's buffer, or it is not worth waiting for.
            let _ = self.poll_problem(&mut Context::from_waker(Waker::noop()));
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
        let (mut answers, mut asked) = (self.answers.clone(), self.asked.clone());
        let follows = answers.look(&bytes[..at], |kind| answered(&mut asked, kind));
        (follows.is_ok() && answers.is_between()).then_some((at, code))
    }

    /// Follows what has been written.
    fn follow(&mut self, written: &[u8]) {
        let asked = &mut self.asked;
        let followed = self.answers.look(written, |kind| answered(asked, kind));
        debug_assert_eq!(followed, Ok(()), "our own answers are framed well");
    }

    /// `polled`, or an error when the client has taken nothing for too long: it would hold its place for ever.
    fn while_it_moves<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stuck = None;
            return polled;
        }
        let timeout = self.manners.write_timeout;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Looks at what has come and makes the parser refuse what is wrong: NUL stands in no head and in no chunk's frame.
    fn inspect(&mut self, come: &mut [u8]) {
        let seen = self.requests.look(come, |kind| {
            self.asked.push_back(kind);
            true
        });
        if let Err((at, fault)) = seen {
            self.fault = Some(fault.code());
            come[at..].fill(0);
        }
        if !self.requests.is_in_head() {
            self.patience = None;
        } else if self.patience.is_none() {
            self.patience = Some(Box::pin(tokio::time::sleep(self.manners.header_timeout)));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Courteous<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into)?;
        if polled.is_pending() {
            // The parser has a timer for a connection's first head only.
            ready!(self.patience.as_mut().map_or(Poll::Pending, |patience| patience.as_mut().poll(context)));
            self.patience = None;
            self.fault = Some(Code::RequestTimeout);
            into.put_slice(&[0]);
            return Poll::Ready(Ok(()));
        }
        let come = &mut into.filled_mut()[before..];
        if come.is_empty() {
            // A client that closes has gone: what it asked for is cancelled upstream.
            self.fault = None;
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        self.inspect(come);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Courteous<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_problem(context))?;
        match self.bare_end(bytes) {
            Some((0, code)) => {
                if !self.closing {
                    self.closing = true;
                    self.problem = answer(self.fault.unwrap_or(code), &self.manners);
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
                self.follow(&bytes[..written]);
                Poll::Ready(Ok(written))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_problem(context))?;
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.while_it_moves(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_problem(context))?;
        self.closing = true;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// An answer of this kind has begun: whether it may have a body, given what was asked.
fn answered(asked: &mut VecDeque<Kind>, kind: Kind) -> bool {
    kind == Kind::Interim || asked.pop_front() != Some(Kind::Head)
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

fn answer(code: Code, manners: &Manners) -> Bytes {
    let request_id = uuid::Uuid::new_v4().simple().to_string();
    let context = problem::Context { instance: String::new(), request_id, clock: manners.clock.clone() };
    let problem = Problem::new(code);
    let (body, status) = (problem.body(&context), problem.status());
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\ncontent-type: {CONTENT_TYPE_PROBLEM}\r\n\
         cache-control: no-store\r\n{}x-request-id: {}\r\n\r\n",
        body.len(),
        manners.lines,
        context.request_id,
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    Bytes::from(answer)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use std::time::Duration;

    use actix_web::http::header::HeaderMap;
    use shared::clock::Clock;

    use super::*;
    use crate::listener::Patience;

    fn courteous(stream: tokio::io::DuplexStream) -> Courteous<tokio::io::DuplexStream> {
        Courteous::new(
            stream,
            Manners::new(Clock::system(), &HeaderMap::new(), 0, &Patience { head: LONG, write: LONG }),
        )
    }

    const LONG: Duration = Duration::from_secs(60);

    const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Sat, 21 Nov 2026 08:05:03 GMT\r\n\r\n";

    #[actix_web::test]
    async fn only_the_parsers_own_answers_are_recognised() {
        let stream = courteous(tokio::io::duplex(1).0);
        let bare_end = |bytes: &[u8]| stream.bare_end(bytes);
        assert_eq!(bare_end(BARE), Some((0, Code::MalformedRequest)));
        assert_eq!(bare_end(&BARE[..BARE.len() - 1]), None);
        let after = [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", BARE].concat();
        assert_eq!(bare_end(&after), Some((after.len() - BARE.len(), Code::MalformedRequest)));
        let inside = [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", BARE.len()).as_bytes(), BARE].concat();
        assert_eq!(bare_end(&inside), None, "a body may look like anything");
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nhello",
            "content-length: 0\r\n\r\n",
        ] {
            assert_eq!(bare_end(other.as_bytes()), None, "{other}");
        }
    }

    #[actix_web::test]
    async fn a_bare_answer_becomes_a_problem_however_small_the_steps() {
        let (mut client, server) = tokio::io::duplex(7);
        let mut server = courteous(server);
        let writing = async move {
            server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            server.write_all(BARE).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let mut text = String::new();
        let (_, read) = tokio::join!(writing, client.read_to_string(&mut text));
        read.unwrap();
        assert!(text.starts_with("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 400 Bad Request\r\n"), "{text}");
        assert!(text.contains("application/problem+json") && text.ends_with('}') && text.contains("malformed_request"));
    }

    #[actix_web::test]
    async fn what_the_parser_adds_to_a_last_answer_is_swallowed() {
        let (mut client, server) = tokio::io::duplex(4096);
        let mut server = courteous(server);
        let last = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
        server.write_all(&[last, BARE].concat()).await.unwrap();
        server.shutdown().await.unwrap();
        drop(server);
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text.as_bytes(), last);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_left() {
        let (client, server) = tokio::io::duplex(4);
        let mut server = courteous(server);
        let error = server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }
}
