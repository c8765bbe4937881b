//! WebSockets and event streams: opened for whoever may, passed as they are, and ended with a word.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::*;

const ROUTE: &str =
    "[[routes]]\npath = \"/api/t/ws\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\nwebsocket = true\n";

pub const ASKS: &str = "Host: gate.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub const AGREES: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";

/// A frame of text from a service, and one from a client.
pub const HELLO: &[u8] = b"\x81\x05hello";
pub const MASKED: &[u8] = b"\x81\x82\x01\x02\x03\x04``";

struct Tunnel {
    gate: Gate,
    client: TcpStream,
    upstream: TcpStream,
    listener: Upstream,
}

async fn open(settings: &str) -> Tunnel {
    let listener = Upstream::start().await;
    let gate = Gate::start(listener.addr(), &format!("{settings}\n{ROUTE}")).await;
    let (client, upstream) = another(&gate, &listener).await;
    Tunnel { gate, client, upstream, listener }
}

async fn another(gate: &Gate, listener: &Upstream) -> (TcpStream, TcpStream) {
    let mut client = gate.connect().await;
    write(&mut client, &format!("GET /api/t/ws?a=b HTTP/1.1\r\n{ASKS}Sec-WebSocket-Protocol: chat\r\n\r\n")).await;
    let (mut upstream, head) = listener.accept().await;
    assert!(head.starts_with("GET /api/v1/t/ws?a=b HTTP/1.1\r\n"), "{head}");
    for line in
        ["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-protocol: chat"]
    {
        assert!(head.to_lowercase().contains(&format!("{line}\r\n")), "{line}: {head}");
    }
    write(&mut upstream, AGREES).await;
    let answer = read_head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-accept: s3ppl", "x-request-id: "] {
        assert!(answer.to_lowercase().contains(line), "{line}: {answer}");
    }
    assert!(!answer.contains("transfer-encoding") && !answer.contains("content-length"), "{answer}");
    (client, upstream)
}

pub async fn read_exactly(stream: &mut TcpStream, wanted: &[u8]) {
    let mut got = vec![0; wanted.len()];
    within(stream.read_exact(&mut got)).await.unwrap();
    assert_eq!(got, wanted);
}

/// Everything until the other side closes.
pub async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    rest
}

/// A close frame's code.
pub fn code(frame: &[u8]) -> u16 {
    assert_eq!(frame[0], 0x88, "{frame:?}");
    let (mask, at) = if frame[1] & 0x80 == 0 { ([0; 2], 2) } else { ([frame[2], frame[3]], 6) };
    u16::from_be_bytes([frame[at] ^ mask[0], frame[at + 1] ^ mask[1]])
}

async fn metric(gate: &Gate, line: &str) -> bool {
    let metrics = gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap();
    metrics.contains(line)
}

#[tokio::test]
async fn bytes_pass_both_ways_as_they_are() {
    let Tunnel { gate, mut client, mut upstream, .. } = open("").await;
    for _ in 0..3 {
        within(client.write_all(MASKED)).await.unwrap();
        read_exactly(&mut upstream, MASKED).await;
        within(upstream.write_all(HELLO)).await.unwrap();
        read_exactly(&mut client, HELLO).await;
    }
    // What looks like HTTP is none any more, in either direction; and a lot of it passes too.
    let (odd, lot) =
        (b"GET / HTTP/1.1\n\n\0HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n".repeat(50), vec![7_u8; 3_000_000]);
    for bytes in [&odd[..], &lot] {
        let ((), ()) =
            tokio::join!(async { within(client.write_all(bytes)).await.unwrap() }, read_exactly(&mut upstream, bytes));
        let ((), ()) =
            tokio::join!(async { within(upstream.write_all(bytes)).await.unwrap() }, read_exactly(&mut client, bytes));
    }
    assert!(metric(&gate, "tollgate_gateway_websockets_open 1").await);
    let began = Instant::now();
    drop(upstream);
    assert_eq!(rest(&mut client).await, b"");
    assert!(began.elapsed() < Duration::from_millis(1_500), "the client is not kept waiting for the end");
    within(async { while !metric(&gate, "websockets_ended_total{reason=\"gone\"} 1").await {} }).await;
    assert!(metric(&gate, "tollgate_gateway_websockets_open 0").await);
}

#[tokio::test]
async fn what_a_client_says_early_is_not_lost() {
    let listener = Upstream::start().await;
    let gate = Gate::start(listener.addr(), ROUTE).await;
    let mut client = gate.connect().await;
    write(&mut client, &format!("GET /api/t/ws HTTP/1.1\r\n{ASKS}\r\n")).await;
    let (mut upstream, _) = listener.accept().await;
    within(client.write_all(MASKED)).await.unwrap();
    // Both sides at once: the answer and the first frame may come in one piece.
    within(upstream.write_all(&[AGREES.as_bytes(), HELLO].concat())).await.unwrap();
    read_exactly(&mut upstream, MASKED).await;
    let answer = read_until(&mut client, |text| text.ends_with("hello")).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
}

#[tokio::test]
async fn whoever_goes_takes_the_other_side_along() {
    let Tunnel { client, mut upstream, .. } = open("").await;
    drop(client);
    assert_eq!(rest(&mut upstream).await, b"");
    let Tunnel { mut client, mut upstream, .. } = open("").await;
    within(client.shutdown()).await.unwrap();
    assert_eq!(rest(&mut upstream).await, b"", "half of a WebSocket is none");
}

#[tokio::test]
async fn an_upstream_that_does_not_agree_answers_like_any_other() {
    let listener = Upstream::start().await;
    let gate = Gate::start(listener.addr(), ROUTE).await;
    for (answer, status, body) in [
        ("HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno", 426, "no"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", 200, "no"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nno", 502, "bad_gateway"),
    ] {
        let mut client = gate.connect().await;
        // What is smuggled behind is no request: there was no tunnel, and now there is no connection.
        write(
            &mut client,
            &format!("GET /api/t/ws HTTP/1.1\r\n{ASKS}\r\nGET /api/t/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"),
        )
        .await;
        let (mut upstream, _) = listener.accept().await;
        write(&mut upstream, answer).await;
        drop(upstream);
        let answer = read_all(&mut client).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(body), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn who_may_not_gets_no_tunnel() {
    let listener = Upstream::start().await;
    let private = ROUTE.replace("/ws\"", "/private\"").replace("auth = \"none\"\n", "");
    let gate =
        Gate::start(listener.addr(), &format!("cors.origins = [\"https://app.example\"]\n{ROUTE}{private}")).await;
    let ask = async |path: &str, origin: &str| {
        let mut client = gate.connect().await;
        write(&mut client, &format!("GET {path} HTTP/1.1\r\n{ASKS}{origin}\r\n")).await;
        read_until(&mut client, |text| text.ends_with('}')).await
    };
    let answer = ask("/api/t/private", "").await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    for origin in ["https://evil.example", "null", "http://gate.example.evil", "gate.example"] {
        let answer = ask("/api/t/ws", &format!("Origin: {origin}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("origin_not_allowed"), "{origin}: {answer}");
    }
    for origin in ["https://app.example", "http://gate.example"] {
        let mut client = gate.connect().await;
        write(&mut client, &format!("GET /api/t/ws HTTP/1.1\r\n{ASKS}Origin: {origin}\r\n\r\n")).await;
        let (mut upstream, _) = listener.accept().await;
        write(&mut upstream, AGREES).await;
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101 "), "{origin}");
    }
}

#[tokio::test]
async fn a_caller_has_so_many_and_gets_places_back() {
    let Tunnel { gate, client, upstream, listener } = open("websocket.max_per_caller = 1").await;
    let refused = async || {
        let mut client = gate.connect().await;
        write(&mut client, &format!("GET /api/t/ws HTTP/1.1\r\n{ASKS}\r\n")).await;
        read_until(&mut client, |text| text.ends_with('}')).await
    };
    let answer = refused().await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: "), "{answer}");
    drop((client, upstream));
    within(async { while !metric(&gate, "tollgate_gateway_websockets_open 0").await {} }).await;
    another(&gate, &listener).await;
}

#[tokio::test]
async fn silence_and_age_end_it_with_a_word_to_both() {
    for (settings, reason) in
        [("websocket.idle_timeout = \"100ms\"", "idle"), ("websocket.max_lifetime = \"100ms\"", "old")]
    {
        let Tunnel { gate, mut client, mut upstream, .. } = open(settings).await;
        // Bytes still pass; and in the middle of a frame nothing else may be said.
        within(upstream.write_all(&HELLO[..3])).await.unwrap();
        read_exactly(&mut client, &HELLO[..3]).await;
        within(async { while !metric(&gate, "websockets_opened_total 1").await {} }).await;
        let (masked, told) = tokio::join!(rest(&mut upstream), rest(&mut client));
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(code(&masked), 1001, "{reason}");
        within(async { while !metric(&gate, &format!("reason=\"{reason}\"}} 1")).await {} }).await;
    }
}

#[tokio::test]
async fn a_stop_says_goodbye_and_does_not_wait() {
    let Tunnel { gate, mut client, mut upstream, .. } = open("").await;
    let began = Instant::now();
    let handle = gate.handle.clone();
    let stopping = tokio::spawn(async move { handle.stop(Duration::from_secs(20)).await });
    let (told, masked) = tokio::join!(
        async {
            let mut frame = [0; 4];
            within(client.read_exact(&mut frame)).await.unwrap();
            frame
        },
        rest(&mut upstream)
    );
    assert_eq!((code(&told), code(&masked)), (1001, 1001));
    drop(client);
    within(stopping).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stop_ends_event_streams_properly() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(
        &mut stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n",
    )
    .await;
    read_until(&mut client, |text| text.contains("data: 1\n\n")).await;
    let handle = gate.handle.clone();
    let stopping = tokio::spawn(async move { handle.stop(Duration::from_secs(20)).await });
    assert!(read_all(&mut client).await.ends_with("0\r\n\r\n"), "complete, so that the client comes back");
    within(stopping).await.unwrap();
}

#[tokio::test]
async fn a_reload_leaves_open_ones_alone() {
    let Tunnel { gate, mut client, mut upstream, listener } = open("").await;
    let raw = format!("{{ name = \"raw\", url = \"http://{}\" }}", listener.addr());
    for settings in
        ["websocket.idle_timeout = \"20m\"\n".to_owned(), format!("server.max_in_flight = 9\n{ROUTE}"), String::new()]
    {
        gate.rewrite(&raw, &settings);
        let answer = gate.client.post(format!("http://{}/admin/api/reload", gate.admin)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        within(client.write_all(MASKED)).await.unwrap();
        read_exactly(&mut upstream, MASKED).await;
        within(upstream.write_all(HELLO)).await.unwrap();
        read_exactly(&mut client, HELLO).await;
    }
    assert!(metric(&gate, "tollgate_gateway_websockets_open 1").await);
}
