//! An upstream that answers every request as a closure says, and counts them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// An answer with this status and body, after this long.
    Answer(u16, &'static str, Duration),
    /// An answer with this status and these further header lines.
    With(u16, &'static str),
    /// The connection is closed without a word.
    Cut,
    /// Nothing.
    Hang,
    /// The head of an answer, and nothing of its body.
    Begin,
}

/// Answers 200 with this body at once.
pub const fn ok(body: &'static str) -> Reply {
    Reply::Answer(200, body, Duration::ZERO)
}

pub struct Stub {
    pub addr: SocketAddr,
    calls: Arc<AtomicUsize>,
    broken_off: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    /// `reply` is told how many calls there were before, and the request's head.
    pub async fn start(reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", reply).await
    }

    pub async fn at(address: &str, reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (calls, broken_off) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (reply, seen, cut) = (Arc::new(reply), Arc::clone(&calls), Arc::clone(&broken_off));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, seen, cut) = (Arc::clone(&reply), Arc::clone(&seen), Arc::clone(&cut));
                connections.spawn(async move { serve(stream, &*reply, &seen, &cut).await });
            }
        });
        Self { addr, calls, broken_off, task }
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Calls whose client went away before the answer.
    pub fn broken_off(&self) -> usize {
        self.broken_off.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: &(dyn Fn(usize, &str) -> Reply + Send + Sync),
    calls: &AtomicUsize,
    cut: &AtomicUsize,
) {
    while let Some(head) = read_request(&mut stream).await {
        let (status, lines, body, after) = match reply(calls.fetch_add(1, Ordering::SeqCst), &head) {
            Reply::Answer(status, body, after) => (status, "", body, after),
            Reply::With(status, lines) => (status, lines, "", Duration::ZERO),
            Reply::Cut => return,
            Reply::Hang => (0, "", "", Duration::from_secs(3_600)),
            Reply::Begin => {
                let begun = stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\n[").await;
                if begun.is_err() {
                    return;
                }
                (0, "", "", Duration::from_secs(3_600))
            }
        };
        let mut byte = [0];
        if tokio::time::timeout(after, stream.read(&mut byte)).await.is_ok() {
            cut.fetch_add(1, Ordering::SeqCst);
            return;
        }
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{lines}\r\n{body}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A request's head, after its body has been read as well.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}
