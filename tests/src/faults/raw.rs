//! Bytes sent as they are, for requests no well-behaved client would make.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the other side may stay silent before we take what we have for the whole answer.
const SILENCE: Duration = Duration::from_secs(2);

/// Sends `bytes` and reads until the server closes or falls silent; the answer as text.
///
/// # Errors
/// When the connection cannot be made. A connection reset is an answer: what came before it.
pub async fn exchange(server: SocketAddr, bytes: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    // A server may refuse and close before it has read everything.
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    let mut chunk = [0; 8192];
    while let Ok(Ok(read @ 1..)) = timeout(SILENCE, stream.read(&mut chunk)).await {
        answer.extend_from_slice(&chunk[..read]);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A POST with exactly these extra header lines and this body, asking to close after it.
#[must_use]
pub fn post_with(path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{body}").into_bytes()
}
