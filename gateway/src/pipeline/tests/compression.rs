//! Compressed answers over real sockets: streams are not held back, tags go there and back, a cut stays a cut.

use std::io::Read;

use super::harness::*;

const TEXT: &str = "{\"name\": \"a text that repeats itself\"}, ";

fn answer(fields: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

async fn asked(gate: &Gate, upstream: &Upstream, coding: &str, answer: &str) -> (reqwest::Response, String) {
    let sent = gate.client.get(gate.url("/api/t/x")).header("accept-encoding", coding).send();
    let (got, head) = tokio::join!(sent, async {
        let (mut stream, head) = upstream.accept().await;
        write(&mut stream, answer).await;
        head
    });
    (got.unwrap(), head)
}

fn unpack(coding: &str, packed: &[u8]) -> String {
    let mut text = String::new();
    match coding {
        "zstd" => text = String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap(),
        "br" => assert!(brotli::Decompressor::new(packed, 4_096).read_to_string(&mut text).is_ok()),
        _ => assert!(flate2::read::GzDecoder::new(packed).read_to_string(&mut text).is_ok()),
    }
    text
}

#[tokio::test]
async fn answers_of_every_size_come_back_as_they_were() {
    // In one go; whole but too large for that; streamed, with pieces on another thread.
    for size in [2_000, 40_000, 3_000_000] {
        let body = TEXT.repeat(size / TEXT.len());
        for coding in ["zstd", "br", "gzip"] {
            let upstream = Upstream::start().await;
            let gate = Gate::start(upstream.addr(), "").await;
            let (got, head) = asked(&gate, &upstream, coding, &answer("ETag: \"1\"\r\n", &body)).await;
            assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
            let headers = got.headers().clone();
            assert!(headers["content-encoding"] == coding && headers["etag"] == "W/\"1\"", "{headers:?}");
            assert!(headers.get_all("vary").iter().any(|value| value == "Accept-Encoding"));
            let packed = got.bytes().await.unwrap();
            assert_eq!(headers.get("content-length").is_some(), size == 2_000);
            assert!(packed.len() < size / 4, "{coding} {size}: {}", packed.len());
            assert!(unpack(coding, &packed) == body, "{coding} {size}");
        }
    }
}

#[tokio::test]
async fn a_slow_stream_is_not_held_back() {
    for coding in ["zstd", "br", "gzip"] {
        let upstream = Upstream::start().await;
        let gate = Gate::start(upstream.addr(), "").await;
        let mut sent = gate.client.get(gate.url("/api/t/x")).header("accept-encoding", coding).send();
        let (got, mut stream) = tokio::join!(&mut sent, async {
            let (mut stream, _) = upstream.accept().await;
            write(
                &mut stream,
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
            )
            .await;
            stream
        });
        let mut got = got.unwrap();
        assert_eq!(got.headers()["content-encoding"], coding);
        let mut packed = within(got.chunk()).await.unwrap().unwrap().to_vec();
        assert!(!packed.is_empty(), "before the upstream says more");
        write(&mut stream, "6\r\nsecond\r\n0\r\n\r\n").await;
        while let Some(piece) = within(got.chunk()).await.unwrap() {
            packed.extend_from_slice(&piece);
        }
        assert_eq!(unpack(coding, &packed), "firstsecond");
    }
}

#[tokio::test]
async fn events_are_never_compressed() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/x HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    write(&mut stream, &format!("{head}9\r\ndata: 1\n\n\r\n")).await;
    let begun = read_until(&mut client, |text| text.contains("data: 1\n\n")).await;
    assert!(begun.contains("data: 1\n\n") && !begun.contains("content-encoding"), "{begun}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_not_look_complete() {
    for framing in ["Transfer-Encoding: chunked\r\n\r\n7\r\n{\"a\": 1\r\n", "Content-Length: 90000\r\n\r\n{\"a\": 1"] {
        let upstream = Upstream::start().await;
        let gate = Gate::start(upstream.addr(), "").await;
        let mut client = gate.connect().await;
        write(&mut client, "GET /api/t/x HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n").await;
        let (mut stream, _) = upstream.accept().await;
        write(&mut stream, &format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{framing}")).await;
        let begun = read_until(&mut client, |text| text.contains("content-encoding: gzip")).await;
        drop(stream);
        let rest = read_all(&mut client).await;
        assert!(begun.contains("chunked") && !rest.ends_with("0\r\n\r\n"), "{framing}: {rest}");
    }
}

#[tokio::test]
async fn a_tag_that_was_weakened_comes_back_strong_where_that_matters() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let (got, _) = asked(&gate, &upstream, "br", &answer("ETag: \"1\"\r\n", &TEXT.repeat(100))).await;
    let tag = got.headers()["etag"].clone();
    let changed = gate.client.patch(gate.url("/api/t/x")).header("if-match", &tag).send();
    let (_, head) = tokio::join!(changed, async {
        let (mut stream, head) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        head
    });
    assert!(head.contains("if-match: \"1\", W/\"1\"\r\n"), "{head}");
    let again =
        gate.client.get(gate.url("/api/t/x")).header("if-none-match", &tag).header("accept-encoding", "br").send();
    let (again, head) = tokio::join!(again, async {
        let (mut stream, head) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n").await;
        head
    });
    assert!(head.contains("if-none-match: \"1\", W/\"1\"\r\n"), "{head}");
    assert_eq!(again.unwrap().headers()["etag"], tag);
}

#[tokio::test]
async fn head_says_what_get_would() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "HEAD /api/t/x HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"1\"\r\nContent-Length: 5000\r\n\r\n")
        .await;
    let head = read_head(&mut client).await;
    for line in ["content-encoding: gzip\r\n", "etag: W/\"1\"\r\n", "Accept-Encoding\r\n"] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert!(!head.contains("content-length") && head.ends_with("\r\n\r\n"), "{head}");
    write(&mut client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"), "the connection goes on");
}

#[tokio::test]
async fn a_route_can_leave_it_to_its_upstream() {
    let upstream = Upstream::start().await;
    let route = "[[routes]]\npath = \"/api/t/x\"\nupstream = \"raw\"\nauth = \"none\"\ncompress = false\n";
    let gate = Gate::start(upstream.addr(), route).await;
    let (got, head) = asked(&gate, &upstream, "gzip", &answer("ETag: \"1\"\r\n", &TEXT.repeat(100))).await;
    assert!(head.contains("accept-encoding: gzip\r\n"), "{head}");
    assert!(!got.headers().contains_key("content-encoding") && got.headers()["etag"] == "\"1\"");
    let vary: Vec<_> = got.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["API-Version, X-API-Version"]);
}

#[tokio::test]
async fn an_old_client_gets_small_answers_compressed_and_streams_plain() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    for (body, packed) in [(TEXT.repeat(50), true), (TEXT.repeat(2_000), false)] {
        let mut client = gate.connect().await;
        write(&mut client, "GET /api/t/x HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n").await;
        let (mut stream, _) = upstream.accept().await;
        write(&mut stream, &answer("Connection: close\r\n", &body)).await;
        let got = read_all(&mut client).await;
        assert_eq!(got.contains("content-encoding: gzip"), packed);
        assert!(packed || got.ends_with(&body));
    }
}

#[tokio::test]
async fn the_gateways_own_pages_are_compressed_too() {
    let gate = Gate::start(dead().await, "").await;
    for path in ["/redoc/redoc.standalone.js", "/docs/problems"] {
        let plain = gate.get(path).await.text().await.unwrap();
        // The first ones are compressed on their way; then there is one that is kept.
        within(async {
            loop {
                let packed = gate.client.get(gate.url(path)).header("accept-encoding", "br").send().await.unwrap();
                assert_eq!(packed.headers()["content-encoding"], "br", "{path}");
                let is_kept = packed.headers().contains_key("content-length");
                assert!(unpack("br", &packed.bytes().await.unwrap()) == plain, "{path}");
                if is_kept {
                    return;
                }
            }
        })
        .await;
    }
    let metrics = gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("tollgate_gateway_compressed_answers_total{coding=\"br\"} "), "{metrics}");
}
