//! What a key is refused for: hostile keys and bodies, outcomes that nobody knows, answers that are not kept.

use tokio::io::AsyncWriteExt;

use super::super::stub::{self, Reply, Stub};
use super::*;

fn conflict(code: &str) -> (u16, String) {
    (409, code.to_owned())
}

/// Sends a POST with these lines in its head, and gives the whole answer.
async fn raw(counter: &Counter, lines: &[u8], body: &str) -> String {
    let mut client = counter.gate.connect().await;
    let head = format!(
        "POST /api/v1/shop/pen HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {}\r\n",
        counter.token
    );
    within(client.write_all(&[head.as_bytes(), lines, b"\r\n", body.as_bytes()].concat())).await.unwrap();
    read_all(&mut client).await
}

#[tokio::test]
async fn what_is_no_key_reaches_nobody() {
    let counter = Counter::with(ok("sold"), "key_required = true", "").await;
    let long = format!("Idempotency-Key: {}\r\n", "k".repeat(256));
    for lines in [
        &b"Idempotency-Key: \r\n"[..],
        b"Idempotency-Key: \"\"\r\n",
        b"Idempotency-Key: a b\r\n",
        b"Idempotency-Key: \"open\r\n",
        b"Idempotency-Key: \xc3\xa9\r\n",
        b"Idempotency-Key: \xff\r\n",
        b"Idempotency-Key: a\x7fb\r\n",
        b"Idempotency-Key: k\r\nIdempotency-Key: k\r\n",
        b"Idempotency-Key: k\r\nidempotency-key: other\r\n",
        long.as_bytes(),
    ] {
        let answer = raw(&counter, lines, "").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{}: {answer}", String::from_utf8_lossy(lines));
    }
    let none = raw(&counter, b"", "").await;
    assert!(none.starts_with("HTTP/1.1 400") && none.contains("idempotency_key_required"), "{none}");
    assert_eq!(counter.shop.sales(), 0);
    let longest = "k".repeat(255);
    assert_eq!((counter.buy(&longest).await.status, counter.buy(&longest).await.replayed), (201, true));
    assert_eq!(
        (counter.buy("\"q\\\"\"").await.status, counter.buy("q\"").await.replayed),
        (201, true),
        "quotes are no part"
    );
}

#[tokio::test]
async fn a_body_must_fit_to_be_compared_however_it_is_sent() {
    let counter = Counter::with(ok("sold"), "", "idempotency.request_bytes = 50000").await;
    let large = counter.call(Method::POST, "/api/v1/shop/pen", "k").body(vec![b'x'; 50_001]);
    assert_eq!(counter.send(large).await.problem(), (413, "body_too_large".to_owned()));
    let unkeyed = counter.gate.client.post(counter.gate.url("/api/v1/shop/pen")).bearer_auth(&counter.token);
    assert_eq!(counter.send(unkeyed.body(vec![b'x'; 50_001])).await.status, 201, "without a key nothing is compared");
    let chunked = |length: usize| {
        let chunk = "x".repeat(10_000);
        let chunks: String = (0..length / 10_000).map(|_| format!("2710\r\n{chunk}\r\n")).collect();
        format!("{chunks}0\r\n\r\n")
    };
    let lines = b"Idempotency-Key: c\r\nTransfer-Encoding: chunked\r\n";
    let answer = raw(&counter, lines, &chunked(60_000)).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let first = raw(&counter, lines, &chunked(40_000)).await;
    assert!(first.starts_with("HTTP/1.1 201"), "{first}");
    let whole = counter.call(Method::POST, "/api/v1/shop/pen", "c").header("host", "h").body(vec![b'x'; 40_000]);
    let again = counter.send(whole).await;
    assert_eq!((again.status, again.replayed), (201, true), "the framing is no part of the request");
    assert_eq!(counter.shop.sales(), 2);
    let broken = raw(&counter, b"Idempotency-Key: b\r\nTransfer-Encoding: chunked\r\n", "zz\r\n").await;
    assert!(broken.starts_with("HTTP/1.1 400"), "{broken}");
    assert_eq!(counter.buy("b").await.status, 201, "the key is free");
}

/// Ways to lose an answer after the request has arrived.
fn losses() -> [(Play, (u16, String)); 5] {
    let bad = |code: &str, status| (status, code.to_owned());
    [
        (Play::Cut(String::new()), bad("bad_gateway", 502)),
        (Play::Cut("HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\nhalf".to_owned()), bad("bad_gateway", 502)),
        (
            Play::Cut("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_owned()),
            bad("bad_gateway", 502),
        ),
        (say("502 Bad Gateway", "", "{\"code\": \"theirs\"}"), bad("theirs", 502)),
        (say("504 Gateway Timeout", "", "{\"code\": \"theirs\"}"), bad("theirs", 504)),
    ]
}

#[tokio::test]
async fn an_unknown_outcome_refuses_every_retry_unless_the_route_lets_them_through() {
    for (on_unknown, retried) in [("refuse", false), ("retry", true)] {
        let counter = Counter::with(ok(""), &format!("on_unknown = \"{on_unknown}\""), "").await;
        for (nth, (loss, told)) in losses().into_iter().enumerate() {
            let (key, before) = (nth.to_string(), counter.shop.sales());
            counter.shop.play(loss);
            assert_eq!(counter.buy(&key).await.problem(), told, "{nth}");
            counter.shop.play(ok("sold"));
            let again = counter.buy(&key).await;
            if retried {
                assert_eq!((again.status, again.replayed), (201, false), "{nth}");
            } else {
                assert_eq!(again.problem(), conflict("idempotency_outcome_unknown"), "{nth}");
            }
            assert_eq!(counter.shop.sales() - before, 1 + usize::from(retried));
        }
        assert_eq!(counter.count("unknown").await, 5);
    }
}

#[tokio::test]
async fn the_gateway_itself_repeats_only_what_a_client_might() {
    for (on_unknown, status, calls) in [("refuse", 502, 1), ("retry", 200, 2)] {
        let stub = Stub::start(|calls, _| if calls % 2 == 0 { Reply::Cut } else { stub::ok("sold") }).await;
        let route = format!("on_unknown = \"{on_unknown}\"");
        let counter = Counter::before(Shop::at(stub.addr), &route, "upstream.retry.attempts = 2").await;
        assert_eq!((counter.buy("k").await.status, stub.calls()), (status, calls), "{on_unknown}");
    }
}

#[tokio::test]
async fn a_deadline_that_passes_leaves_the_outcome_unknown() {
    let counter = Counter::with(Play::Hold, "", "").await;
    let (first, second) = tokio::join!(counter.buy("k"), async {
        counter.shop.sold(1).await;
        counter.buy("k").await
    });
    assert_eq!(first.problem(), (504, "gateway_timeout".to_owned()));
    let known = [conflict("idempotency_outcome_unknown"), conflict("idempotency_in_progress")];
    assert!(known.contains(&second.problem()), "{second:?}");
    counter.shop.play(ok("sold"));
    assert_eq!(counter.buy("k").await.problem(), conflict("idempotency_outcome_unknown"));
    assert_eq!(counter.shop.sales(), 1);
}

#[tokio::test]
async fn what_never_got_there_leaves_the_key_free() {
    let counter = Counter::before(Shop::at(dead().await), "", "").await;
    for _ in 0..3 {
        let answer = counter.buy("k").await;
        assert_eq!(answer.problem(), (503, "upstream_unavailable".to_owned()));
    }
    assert_eq!((counter.count("freed").await, counter.count("unknown").await), (3, 0));
}

#[tokio::test]
async fn an_answer_that_is_not_kept_is_given_once_and_never_carried_out_again() {
    let large = "x".repeat(5_000);
    let counter = Counter::with(ok(""), "", "idempotency.answer_bytes = 4096").await;
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n{large}\r\n0\r\n\r\n");
    for (nth, play) in [say("200 OK", "", &large), Play::Say(chunked)].into_iter().enumerate() {
        counter.shop.play(play);
        let first = counter.buy(&nth.to_string()).await;
        assert_eq!((first.status, first.body.len()), (200, 5_000));
        assert_eq!(counter.buy(&nth.to_string()).await.problem(), conflict("idempotency_not_replayable"));
        assert_eq!(counter.shop.sales(), nth + 1);
    }
    counter.shop.play(say("200 OK", "", &large[..4_096]));
    assert_eq!((counter.buy("fits").await.status, counter.buy("fits").await.replayed), (200, true));
}

#[tokio::test]
async fn live_events_arrive_as_they_happen_and_are_not_kept() {
    let shop = Upstream::start().await;
    let counter = Counter::before(Shop::at(shop.addr()), "", "").await;
    let live = counter.call(Method::POST, "/api/v1/shop/pen", "k").body("live");
    let (answer, _stream) = tokio::join!(live.send(), async {
        let (mut stream, _) = shop.accept().await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n").await;
        stream
    });
    let first = within(answer.unwrap().chunk()).await.unwrap().unwrap();
    assert_eq!(first, "data: 1\n\n");
    let again = counter.call(Method::POST, "/api/v1/shop/pen", "k").body("live");
    assert_eq!(counter.send(again).await.problem(), conflict("idempotency_not_replayable"));
}
