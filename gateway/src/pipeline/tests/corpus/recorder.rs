//! An upstream that keeps every byte that reaches it, and answers each request with its own target.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Up to the empty line.
    pub head: String,
    /// Without its chunks.
    pub body: Vec<u8>,
    /// Whether it has arrived to its end.
    pub is_whole: bool,
}

pub struct Recorder {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    accepting: JoinHandle<()>,
}

impl Recorder {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&recorded)));
            }
        });
        Self { addr, seen, accepting }
    }

    /// What has come since the last time, in the order in which it began.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Reads strictly. Whatever follows a request's end is the next one's beginning: also what is none.
async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut bytes = Vec::new();
    while fill(&mut stream, &mut bytes, |bytes| find(bytes, b"\r\n\r\n").is_some() || is_no_head(bytes)).await {
        let end = find(&bytes, b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        bytes.drain(..(end + 4).min(bytes.len()));
        let place = {
            let mut seen = seen.lock();
            seen.push(Seen { head: head.clone(), body: Vec::new(), is_whole: false });
            seen.len() - 1
        };
        let Some(body) = body(&mut stream, &mut bytes, &head).await else { return };
        if let Some(seen) = seen.lock().get_mut(place) {
            (seen.body, seen.is_whole) = (body, true);
        }
        let target = head.split(' ').nth(1).unwrap_or("none");
        let text = if head.starts_with("HEAD ") { "" } else { target };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", target.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn is_no_head(bytes: &[u8]) -> bool {
    !bytes.is_empty() && !bytes[0].is_ascii_uppercase()
}

async fn body(stream: &mut TcpStream, bytes: &mut Vec<u8>, head: &str) -> Option<Vec<u8>> {
    let lower = head.to_ascii_lowercase();
    let value = |name: &str| lower.split("\r\n").find_map(|line| line.strip_prefix(name)).map(str::trim);
    if let Some(length) = value("content-length:").and_then(|length| length.parse::<usize>().ok()) {
        return fill(stream, bytes, |bytes| bytes.len() >= length).await.then(|| bytes.drain(..length).collect());
    }
    let mut whole = Vec::new();
    while value("transfer-encoding:").is_some() {
        if !fill(stream, bytes, |bytes| find(bytes, b"\r\n").is_some()).await {
            return None;
        }
        let end = find(bytes, b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        bytes.drain(..end + 2);
        if !fill(stream, bytes, |bytes| bytes.len() >= size + 2).await {
            return None;
        }
        whole.extend(bytes.drain(..size));
        if bytes.drain(..2).collect::<Vec<_>>() != b"\r\n" {
            return None;
        }
        if size == 0 {
            break;
        }
    }
    Some(whole)
}

/// Reads until there is enough; `false` when the other side has closed before that.
async fn fill(stream: &mut TcpStream, bytes: &mut Vec<u8>, enough: impl Fn(&[u8]) -> bool) -> bool {
    while !enough(bytes) {
        match stream.read_buf(bytes).await {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
    }
    true
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
