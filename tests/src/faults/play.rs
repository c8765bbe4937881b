//! What an upstream does with a request: answers, or goes wrong in one of the ways in which upstreams do.

use std::time::Duration;

use tokio::io::{self, AsyncReadExt, AsyncWriteExt, BufReader};

use super::tap::Tap;

/// What a request meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// The upstream's body (an empty JSON object until told otherwise) with this status.
    Answer(u16),
    /// The same with 200, byte by byte, with this pause before each.
    Slow(Duration),
    /// Half of it, and then the end.
    Cut,
    /// Nothing, and the connection is torn down (RST).
    Reset,
    /// The answer, and behind it one that nobody asked for.
    Lie,
    /// An event, and then silence without an end.
    Events,
    /// A WebSocket that gives back what it gets.
    WebSocket,
    /// Silence until the play changes.
    Hold,
}

/// Plays it. `false`: the connection is over.
pub(super) async fn perform(play: Play, stream: &mut BufReader<Tap>, body: &str) -> io::Result<bool> {
    let answer = |status: u16| {
        let head =
            format!("HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
        format!("{head}\r\n\r\n{body}")
    };
    match play {
        Play::Answer(status) => stream.write_all(answer(status).as_bytes()).await?,
        Play::Slow(pause) => {
            for byte in answer(200).bytes() {
                tokio::time::sleep(pause).await;
                stream.write_all(&[byte]).await?;
                stream.flush().await?;
            }
        }
        Play::Cut => {
            let whole = answer(200);
            stream.write_all(&whole.as_bytes()[..whole.len() - body.len().div_ceil(2)]).await?;
            return Ok(false);
        }
        Play::Reset => {
            stream.get_ref().stream.set_zero_linger()?;
            return Ok(false);
        }
        Play::Lie => {
            let unasked = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nunasked!";
            stream.write_all([answer(200).as_str(), unasked].concat().as_bytes()).await?;
        }
        Play::Events => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(format!("{head}9\r\ndata: 1\n\n\r\n").as_bytes()).await?;
            stream.flush().await?;
            while stream.read(&mut [0; 1024]).await? > 0 {}
            return Ok(false);
        }
        Play::WebSocket => {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            let mut piece = [0; 4096];
            while let read @ 1.. = stream.read(&mut piece).await? {
                stream.write_all(&piece[..read]).await?;
                stream.flush().await?;
            }
            return Ok(false);
        }
        Play::Hold => return Ok(false),
    }
    stream.flush().await?;
    Ok(true)
}
