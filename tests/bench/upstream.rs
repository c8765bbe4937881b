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

    /// Requests without a body, one after the other, as the proxies and the load generator send them.
    async fn converse(&self, mut connection: TcpStream) -> std::io::Result<()> {
        let mut held = Vec::with_capacity(8192);
        loop {
            if connection.read_buf(&mut held).await? == 0 {
                return Ok(());
            }
            while let Some(end) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                let for_keys = held.starts_with(b"GET /.well-known/jwks.json ");
                connection.write_all(if for_keys { &self.keys } else { &self.item }).await?;
                held.drain(..end + 4);
            }
        }
    }
}

fn answer(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}
