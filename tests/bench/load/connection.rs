//! One keep-alive HTTP/1.1 connection that costs next to nothing: ready-made bytes out, status and body in (RFC 9112).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::failure::Failure;

/// Larger answers than this are nothing that a benchmark asks for.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// An open connection with what was read and not yet looked at.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    held: Vec<u8>,
    used: usize,
}

impl Connection {
    /// Opens one to `address`.
    pub async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, held: Vec::with_capacity(16 * 1024), used: 0 })
    }

    /// Sends a whole request and reads the whole answer: its status and its body.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8]), Failure> {
        self.held.drain(..self.used);
        self.used = 0;
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(head) = Head::parse(&self.held)? {
                break head;
            }
            self.more().await?;
        };
        let body_end = match head.length {
            Some(length) => head.bytes + length,
            None => self.read_chunks(head.bytes).await?,
        };
        while self.held.len() < body_end {
            self.more().await?;
        }
        self.used = body_end;
        Ok((head.status, &self.held[head.bytes..body_end]))
    }

    async fn more(&mut self) -> Result<(), Failure> {
        if self.held.len() > MAX_ANSWER_BYTES {
            return Err(Failure::said("an answer without end"));
        }
        match self.stream.read_buf(&mut self.held).await? {
            0 => Err(Failure::said("the server closed a connection in the middle of an exchange")),
            _ => Ok(()),
        }
    }

    /// Where a chunked body that starts at `at` ends. The chunks' frames stay in: nobody here parses such a body.
    async fn read_chunks(&mut self, mut at: usize) -> Result<usize, Failure> {
        loop {
            let line = loop {
                if let Some(length) = self.held[at..].windows(2).position(|window| window == b"\r\n") {
                    break length;
                }
                self.more().await?;
            };
            let size = std::str::from_utf8(&self.held[at..at + line])
                .ok()
                .and_then(|text| usize::from_str_radix(text, 16).ok());
            let size = size.ok_or_else(|| Failure::said("a chunk without a size"))?;
            at += line + 2 + size + 2;
            while self.held.len() < at {
                self.more().await?;
            }
            if size == 0 {
                return Ok(at);
            }
        }
    }
}

/// What of an answer's head has to be known to find its end.
struct Head {
    status: u16,
    bytes: usize,
    /// `None`: chunked.
    length: Option<usize>,
}

impl Head {
    /// `None` while it is not all there.
    fn parse(held: &[u8]) -> Result<Option<Self>, Failure> {
        let Some(end) = held.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let broken = || Failure::said("an answer that is not HTTP/1.1");
        let text = std::str::from_utf8(&held[..end]).map_err(|_| broken())?;
        let status = text.get(9..12).and_then(|digits| digits.parse().ok()).ok_or_else(broken)?;
        let value = |name: &str| {
            text.lines().find_map(|line| line.split_once(':').filter(|(field, _)| field.eq_ignore_ascii_case(name)))
        };
        let length = match value("content-length") {
            Some((_, length)) => Some(length.trim().parse().map_err(|_| broken())?),
            None if value("transfer-encoding").is_some() => None,
            None => Some(0),
        };
        Ok(Some(Self { status, bytes: end + 4, length }))
    }
}
