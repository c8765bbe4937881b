//! The stream without any app: what becomes of the parser's own words, and of clients without manners.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use shared::clock::Clock;

use super::*;
use crate::admin::metrics::ConnectionMetrics;
use crate::listener::manners::{BodyPatience, Patience, Words};

fn courteous(stream: tokio::io::DuplexStream) -> Courteous<tokio::io::DuplexStream> {
    let body = BodyPatience { timeout: LONG / 2, rate: 100 };
    let patience = Patience { head: LONG, body, write: LONG };
    let metrics = ConnectionMetrics::default();
    let words = Words { headers: Box::new(HeaderMap::new), url_bytes: Box::new(|| 0) };
    Courteous::new(stream, Manners::new(Clock::system(), words, patience, metrics))
}

const LONG: Duration = Duration::from_secs(60);

const BARE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Sat, 21 Nov 2026 08:05:03 GMT\r\n\r\n";

#[actix_web::test]
async fn only_the_parsers_own_answers_are_recognised() {
    let stream = courteous(tokio::io::duplex(1).0);
    let bare_end = |bytes: &[u8]| stream.bare_end(bytes);
    assert_eq!(bare_end(BARE), Some((0, Code::MalformedRequest)));
    assert_eq!(bare_end(&BARE[..BARE.len() - 1]), None);
    let after = [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", BARE].concat();
    assert_eq!(bare_end(&after), Some((after.len() - BARE.len(), Code::MalformedRequest)));
    let inside = [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", BARE.len()).as_bytes(), BARE].concat();
    assert_eq!(bare_end(&inside), None, "a body may look like anything");
    for other in [
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: 1\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nhello",
        "content-length: 0\r\n\r\n",
    ] {
        assert_eq!(bare_end(other.as_bytes()), None, "{other}");
    }
}

#[actix_web::test]
async fn a_bare_answer_becomes_a_problem_however_small_the_steps() {
    let (mut client, server) = tokio::io::duplex(7);
    let mut server = courteous(server);
    let writing = async move {
        server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        server.write_all(BARE).await.unwrap();
        server.shutdown().await.unwrap();
    };
    let mut text = String::new();
    let (_, read) = tokio::join!(writing, client.read_to_string(&mut text));
    read.unwrap();
    assert!(text.starts_with("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert!(text.contains("application/problem+json") && text.ends_with('}') && text.contains("malformed_request"));
}

#[actix_web::test]
async fn what_the_parser_adds_to_a_last_answer_is_swallowed() {
    let (mut client, server) = tokio::io::duplex(4096);
    let mut server = courteous(server);
    let last = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    server.write_all(&[last, BARE].concat()).await.unwrap();
    server.shutdown().await.unwrap();
    drop(server);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.as_bytes(), last);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_left() {
    let (client, server) = tokio::io::duplex(4);
    let mut server = courteous(server);
    let error = server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_while_it_is_wanted_is_a_408_and_the_end() {
    let (mut client, server) = tokio::io::duplex(4096);
    let mut server = courteous(server);
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await.unwrap();
    let mut space = [0; 4096];
    let read = server.read(&mut space).await.unwrap();
    assert!(space[..read].ends_with(b"{"));
    let begun = tokio::time::Instant::now();
    assert_eq!(server.read(&mut space).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(begun.elapsed(), LONG / 2);
    drop(server);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("request_timeout"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_answer_and_who_is_idle_has_no_pace_to_keep() {
    let (mut client, server) = tokio::io::duplex(4096);
    let mut server = courteous(server);
    let mut space = [0; 4096];
    for request in
        [&b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n{"[..], b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"]
    {
        client.write_all(request).await.unwrap();
        assert_eq!(server.read(&mut space).await.unwrap(), request.len());
        for answered in [false, true] {
            let waits = tokio::time::timeout(LONG * 100, server.read(&mut space)).await;
            assert!(waits.is_err(), "answered: {answered}");
            if !answered {
                server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_to_be_asked_for_a_body_is_not_slow() {
    let (mut client, server) = tokio::io::duplex(4096);
    let mut server = courteous(server);
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n").await.unwrap();
    let mut space = [0; 4096];
    assert!(server.read(&mut space).await.unwrap() > 0);
    // The parser asks at once; nobody has begun to read.
    server.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    assert!(tokio::time::timeout(LONG * 100, server.read(&mut space)).await.is_err());
    server.consent().give();
    server.flush().await.unwrap();
    assert_eq!(server.read(&mut space).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
