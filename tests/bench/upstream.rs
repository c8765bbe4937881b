//! The upstream that all gateways share: answers everything with the same small JSON, as fast as it can.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::failure::Failure;

/// What `bench upstream` is told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The loopback port.
    #[arg(long)]
    port: u16,
    /// The key set that /.well-known/jwks.json answers with.
    #[arg(long)]
    jwks: PathBuf,
}

/// A path that ends with this and a number is answered with so many bytes.
pub const LARGE: &str = "large-";

/// Bodies go and come in pieces of so many bytes.
const PIECE: usize = 64 << 10;

/// About what a small resource weighs.
const BODY: &str = r#"{"id":"0190c8d2-7a4b-7c1e-9f3a-5b6c7d8e9f00","owner_id":"0190c8d2-7a4b-7c1e-9f3a-5b6c7d8e9f01","name":"Everyday","currency":"USD","exponent":2,"status":"open","balance":105000,"available":104000}"#;

/// Serves until it is killed.
pub async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let answers = Arc::new(Answers::new(&arguments.jwks)?);
    let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await?;
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let answers = Arc::clone(&answers);
        // A connection that breaks is its client's affair.
        tokio::spawn(async move { drop(answers.converse(connection).await) });
    }
}

struct Answers {
    item: Vec<u8>,
    keys: Vec<u8>,
}

impl Answers {
    fn new(jwks: &Path) -> Result<Self, Failure> {
        Ok(Self { item: answer(BODY), keys: answer(&std::fs::read_to_string(jwks)?) })
    }

    /// Requests, one after the other, as the proxies and the load generator send them: what comes with one is read and
    /// forgotten.
    async fn converse(&self, mut connection: TcpStream) -> std::io::Result<()> {
        let mut held = Vec::with_capacity(8192);
        loop {
            if connection.read_buf(&mut held).await? == 0 {
                return Ok(());
            }
            while let Some(end) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = held.drain(..end + 4).collect();
                skip(&mut connection, &mut held, body_length(&head)).await?;
                match large(&head) {
                    Some(bytes) => fill(&mut connection, bytes).await?,
                    None if head.starts_with(b"GET /.well-known/jwks.json ") => {
                        connection.write_all(&self.keys).await?
                    }
                    None => connection.write_all(&self.item).await?,
                }
            }
        }
    }
}

/// Nobody here sends chunks.
fn body_length(head: &[u8]) -> usize {
    if head.starts_with(b"GET ") {
        return 0;
    }
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.split_once("\r\ncontent-length:").and_then(|(_, rest)| rest.split("\r\n").next());
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

async fn skip(connection: &mut TcpStream, held: &mut Vec<u8>, bytes: usize) -> std::io::Result<()> {
    let here = bytes.min(held.len());
    held.drain(..here);
    let mut left = bytes - here;
    let mut piece = vec![0; PIECE.min(left)];
    while left > 0 {
        let wanted = left.min(PIECE);
        match connection.read(&mut piece[..wanted]).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            come => left -= come,
        }
    }
    Ok(())
}

/// How large an answer the path asks for, if it asks for a large one.
fn large(head: &[u8]) -> Option<usize> {
    let target = head.split(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(target).ok()?.rsplit_once(LARGE)?.1.parse().ok()
}

async fn fill(connection: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: {bytes}\r\n\r\n");
    connection.write_all(head.as_bytes()).await?;
    let (piece, mut left) = (vec![b'x'; PIECE], bytes);
    while left > 0 {
        let now = left.min(PIECE);
        connection.write_all(&piece[..now]).await?;
        left -= now;
    }
    Ok(())
}

fn answer(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}
