//! Bodies are kept when they are whole, small enough, and not at their client's pace.

use std::sync::Arc;

use super::super::harness::*;
use super::MINUTE;
use super::origin::{Act, Cached, ok, text};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_body_that_breaks_off_poisons_nothing() {
    let cached = Cached::start("", |n, _| match n {
        0 => Act::Cut("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100000\r\n\r\nhalf".to_owned()),
        1 => Act::Cut(format!("{CHUNKED}4\r\nhalf\r\n")),
        2 => Act::Cut(format!("{CHUNKED}zz\r\n")),
        _ => ok(MINUTE, "whole"),
    })
    .await;
    for calls in 1..=3 {
        let mut client = cached.gate.connect().await;
        write(&mut client, "GET /api/c/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = read_all(&mut client).await;
        assert!(!answer.contains("0\r\n\r\n"), "a cut answer must not look complete: {answer}");
        assert_eq!(cached.origin.calls(), calls);
    }
    let whole = Cached::ask(&cached, "/api/c/x", &[("host", "x")]).await;
    assert_eq!((whole.body.as_str(), cached.origin.calls()), ("whole", 4));
    assert!(cached.ask("/api/c/x", &[("host", "x")]).await.is_hit());
}

#[tokio::test]
async fn a_body_of_unknown_length_streams_and_is_kept_once_it_is_whole() {
    let cached =
        Cached::start("", |_, _| Act::Wait(format!("{CHUNKED}5\r\nfirst\r\n"), "6\r\nsecond\r\n0\r\n\r\n".to_owned()))
            .await;
    let mut client = cached.gate.connect().await;
    write(&mut client, "GET /api/c/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let begun = read_until(&mut client, |text| text.contains("first")).await;
    assert!(!begun.contains("second") && begun.contains("tollgate; fwd=miss"), "{begun}");
    cached.origin.let_go();
    assert!(read_until(&mut client, |text| text.contains("0\r\n\r\n")).await.contains("second"));
    let again = cached.ask("/api/c/x", &[("host", "x")]).await;
    assert_eq!((again.body.as_str(), cached.origin.calls()), ("firstsecond", 1));
}

#[tokio::test]
async fn a_body_over_the_cap_streams_through_and_is_not_kept() {
    let large = "0123456789".repeat(20_000);
    let cached = Cached::with("mode = \"honour\"", "", "cache.entry_bytes = 150000", move |n, head| {
        if head.contains("/chunked") {
            Act::Say(format!("{CHUNKED}{:x}\r\n{large}\r\n0\r\n\r\n", large.len()))
        } else {
            Act::Say(text("200 OK", MINUTE, &large[n..]))
        }
    })
    .await;
    for path in ["/api/c/chunked", "/api/c/sized"] {
        for _ in 0..2 {
            let got = cached.get(path).await;
            assert!(got.body.len() > 199_990 && got.body.ends_with("56789") && !got.is_hit());
        }
    }
    assert_eq!(cached.origin.calls(), 4);
    assert_eq!(cached.metric("response_cache_stored_total").await, 0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_delays_nobody_who_waits() {
    let body = "x".repeat(900_000);
    let cached = Arc::new(
        Cached::start("", move |_, _| {
            Act::Wait(
                format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n", body.len()),
                body.clone(),
            )
        })
        .await,
    );
    let mut silent = cached.gate.connect().await;
    write(&mut silent, "GET /api/c/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    cached.origin.called(1).await;
    read_head(&mut silent).await;
    let waiting = tokio::spawn({
        let cached = Arc::clone(&cached);
        async move { cached.ask("/api/c/x", &[("host", "x")]).await }
    });
    cached.origin.let_go();
    let got = within(waiting).await.unwrap();
    assert_eq!((got.status, got.body.len(), cached.origin.calls()), (200, 900_000, 1));
}

#[tokio::test]
async fn who_leaves_alone_takes_the_call_along() {
    let cached = Cached::start("", |_, _| Act::Wait(format!("{CHUNKED}5\r\nfirst\r\n"), "0\r\n\r\n".to_owned())).await;
    let mut client = cached.gate.connect().await;
    write(&mut client, "GET /api/c/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    read_until(&mut client, |text| text.contains("first")).await;
    drop(client);
    within(async { while cached.metric("in_flight").await > 0 {} }).await;
    cached.origin.let_go();
    assert!(cached.ask("/api/c/x", &[("host", "x")]).await.cache().contains("fwd=miss"));
}

#[tokio::test]
async fn clients_that_read_slowly_are_read_ahead_of_only_so_far_all_together() {
    let large = "0123456789".repeat(700_000);
    let more = "cache.entry_bytes = 8000000\ncache.memory_bytes = 64000000\ncache.ahead_bytes = 20000000";
    let cached =
        Cached::with("mode = \"honour\"", "", more, move |_, _| Act::Say(text("200 OK", MINUTE, &large))).await;
    let mut slow = cached.gate.connect().await;
    write(&mut slow, "GET /api/c/slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    within(async { while cached.metric("response_cache_stored_total").await < 1 {} }).await;
    let second = cached.get("/api/c/second").await;
    assert_eq!((second.status, second.body.len()), (200, 7_000_000), "it is passed on all the same");
    assert_eq!(cached.metric("response_cache_crowded_total").await, 1);
    assert!(!cached.get("/api/c/second").await.is_hit());
    drop(slow);
    cached.until("/api/c/second", super::origin::Got::is_hit).await;
}
