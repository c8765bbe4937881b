//! A stream that minds actix's manners. What is no HTTP is answered by the parser, below any app, with a bare status:
//! here that answer becomes a problem like every other. And a bare LF, which the parser lets pass as a line's end, does
//! not get that far (RFC 9112, section 2.2 leaves it open; two parsers that differ are a hole).

mod watch;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use shared::problem::{self, CONTENT_TYPE_PROBLEM, Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Manners;
use crate::policy::headers::REQUEST_ID;
use watch::Watch;

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
    /// Whether the client has closed.
    gone: bool,
    head: Watch,
    /// What the parser is going to refuse without knowing why.
    fault: Option<Code>,
}

impl<S: AsyncWrite + Unpin> Courteous<S> {
    pub(super) fn new(stream: S, manners: Arc<Manners>) -> Self {
        let (problem, head) = (Bytes::new(), Watch::default());
        Self { stream, manners, problem, closing: false, gone: false, head, fault: None }
    }

    fn poll_problem(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.problem.has_remaining() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.problem))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.problem.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// A body whose framing breaks makes the parser drop the connection without a word. The word is said here: a request
/// whose head has come whole, and which nothing has answered, was malformed, unless the client, the server or the
/// worker has ended.
impl<S: AsyncWrite + Unpin> Drop for Courteous<S> {
    fn drop(&mut self) {
        let unanswered = self.head == Watch::After && !self.closing;
        if unanswered && !self.gone && !self.manners.ending.load(Ordering::Acquire) && !std::thread::panicking() {
            self.problem = answer(Code::MalformedRequest, &self.manners);
            // It fits into the socket's buffer, or it is not worth waiting for.
            let _ = self.poll_problem(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Courteous<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        let come = &into.filled()[before..];
        if come.is_empty() {
            // A client that closes has gone: what it asked for is cancelled upstream.
            self.gone = true;
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let most = self.manners.line_bytes;
        if let Some(fault) = self.head.look(come, most) {
            self.fault = Some(fault.code());
            // NUL stands in no head: the parser refuses, and its answer becomes the problem.
            into.filled_mut()[before..].fill(0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Courteous<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_problem(context))?;
        match bare_end(bytes) {
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
                if bytes.starts_with(b"HTTP/1.") {
                    self.closing = says_close(bytes);
                    self.head = Watch::default();
                }
                Pin::new(&mut self.stream).poll_write(context, bytes)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_problem(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_problem(context))?;
        self.closing = true;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

fn says_close(head: &[u8]) -> bool {
    let first = &head[..head.len().min(FIRST_LINES)];
    first.windows(b"\r\nconnection: close\r\n".len()).any(|line| line == b"\r\nconnection: close\r\n")
}

/// Where a bare answer stands at the end of what is written, and which problem it is. It may follow another answer.
fn bare_end(bytes: &[u8]) -> Option<(usize, Code)> {
    // An answer with a body does not end like this; nearly every write is done here.
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let from = bytes.len().saturating_sub(BARE_AT_MOST);
    let at = from + bytes[from..].windows(b"HTTP/1.".len()).rposition(|start| start == b"HTTP/1.")?;
    Some((at, bare(&bytes[at..])?))
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

    use actix_web::http::header::HeaderMap;
    use shared::clock::Clock;

    use super::*;

    fn courteous(stream: tokio::io::DuplexStream) -> Courteous<tokio::io::DuplexStream> {
        Courteous::new(stream, Manners::new(Clock::system(), &HeaderMap::new(), 0))
    }

    const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Sat, 21 Nov 2026 08:05:03 GMT\r\n\r\n";

    #[test]
    fn only_the_parsers_own_answers_are_recognised() {
        assert_eq!(bare_end(BARE), Some((0, Code::MalformedRequest)));
        assert_eq!(bare_end(&BARE[..BARE.len() - 1]), None);
        let after = [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", BARE].concat();
        assert_eq!(bare_end(&after), Some((after.len() - BARE.len(), Code::MalformedRequest)));
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
            server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            server.write_all(BARE).await.unwrap();
            server.shutdown().await.unwrap();
        };
        let mut text = String::new();
        let (_, read) = tokio::join!(writing, client.read_to_string(&mut text));
        read.unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n"), "{text}");
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
}
