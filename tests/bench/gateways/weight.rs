//! What connections and bodies weigh: a thousand connections that are open and idle, and bodies far larger than any buffer.

use std::path::Path;
use std::time::Duration;

use shared::clock::Clock;
use tests::backends::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{PATH, Setup, mebibytes, start_upstream, tollgate};
use crate::failure::Failure;
use crate::load::Connection;
use crate::report::{Report, Row, Target};
use crate::server::Server;
use crate::token::issue;
use crate::upstream::LARGE;

/// Connections that have asked once and ask no more.
const IDLE: usize = 1000;
/// What the thousand needed to be opened is given back meanwhile.
const REST: Duration = Duration::from_secs(10);
/// Bodies at the same time, each way.
const AT_ONCE: usize = 4;
const SMALL_BODY: usize = 8 << 20;
/// So often, until buffers and code are where they are needed, whatever the size of the bodies.
const WARM: usize = 4;
const LARGE_BODY: usize = 64 << 20;
const PIECE: usize = 64 << 10;

/// Measures both, and adds their rows.
pub async fn weigh(folder: &Path, secret: &str, report: &mut Report) -> Result<(), Failure> {
    let issued = issue(&Clock::system())?;
    let setup = Setup { folder, upstream: free_port()?, issued, secret: secret.to_owned() };
    let _upstream = start_upstream(&setup).await?;
    connections(&setup, report).await?;
    bodies(&setup, report).await
}

async fn connections(setup: &Setup<'_>, report: &mut Report) -> Result<(), Failure> {
    let gateway = tollgate::start(setup).await?;
    let token = &setup.issued.token;
    let request = format!("GET {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
    ready(&gateway, &request).await?;
    let mut held = Vec::new();
    for _ in 0..IDLE {
        let mut connection = Connection::open(&gateway.address()).await?;
        let (status, _) = connection.exchange(request.as_bytes()).await?;
        if status != 200 {
            return Err(gateway.failed(&format!("answered {status}")));
        }
        held.push(connection);
    }
    tokio::time::sleep(REST).await;
    let (rss, _) = gateway.processes()?.memory_kib();
    report.rows.push(Row {
        what: format!("gateway, memory with {IDLE} idle connections, resident"),
        ours: format!("{} MiB", mebibytes(rss)),
        peer: String::new(),
        value: Some(rss as f64 / 1024.0),
        unit: "MiB",
        target: Target::Most(30.0),
    });
    drop(held);
    Ok(())
}

/// Until it has the keys that it verifies tokens with.
async fn ready(gateway: &Server, request: &str) -> Result<(), Failure> {
    for _ in 0..100 {
        if Connection::open(&gateway.address()).await?.exchange(request.as_bytes()).await?.0 == 200 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(gateway.failed("never answers 200"))
}

async fn bodies(setup: &Setup<'_>, report: &mut Report) -> Result<(), Failure> {
    let gateway = tollgate::start(setup).await?;
    for _ in 0..WARM {
        stream(&gateway, SMALL_BODY).await?;
    }
    let small = gateway.processes()?.peak_kib();
    stream(&gateway, LARGE_BODY).await?;
    let large = gateway.processes()?.peak_kib();
    report.rows.push(Row {
        what: format!("gateway, peak memory with {} bodies of 64 MiB under way, against 8 MiB", 2 * AT_ONCE),
        ours: format!("{} MiB", mebibytes(large)),
        peer: format!("{} MiB", mebibytes(small)),
        value: Some(large as f64 / small as f64),
        unit: "x",
        target: Target::Most(1.1),
    });
    Ok(())
}

/// As many up as down, all at once.
async fn stream(gateway: &Server, bytes: usize) -> Result<(), Failure> {
    let mut all = JoinSet::new();
    for _ in 0..AT_ONCE {
        all.spawn(upload(gateway.address(), bytes));
        all.spawn(download(gateway.address(), bytes));
    }
    while let Some(ended) = all.join_next().await {
        let ended = ended.map_err(|error| Failure::said(error.to_string()))?;
        ended.map_err(|failure| gateway.failed(&failure.to_string()))?;
    }
    Ok(())
}

async fn upload(address: String, bytes: usize) -> Result<(), Failure> {
    let mut connection = TcpStream::connect(address).await?;
    let head = format!("PUT /api/v1/open/up HTTP/1.1\r\nhost: localhost\r\ncontent-length: {bytes}\r\n\r\n");
    connection.write_all(head.as_bytes()).await?;
    let piece = vec![b'x'; PIECE];
    for _ in 0..bytes / PIECE {
        connection.write_all(&piece).await?;
    }
    let mut held = vec![0; PIECE];
    let come = connection.read(&mut held).await?;
    match held[..come].starts_with(b"HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(Failure::said(String::from_utf8_lossy(&held[..come]))),
    }
}

async fn download(address: String, bytes: usize) -> Result<(), Failure> {
    let mut connection = TcpStream::connect(address).await?;
    let head = format!("GET /api/v1/open/{LARGE}{bytes} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).await?;
    let (mut held, mut come) = (vec![0; PIECE], 0);
    loop {
        match connection.read(&mut held).await? {
            0 if come > bytes => return Ok(()),
            0 => return Err(Failure::said(format!("{come} bytes of an answer with a body of {bytes}"))),
            more => come += more,
        }
    }
}
