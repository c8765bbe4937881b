//! Stale answers: given while a newer one is fetched, or when there is none to be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;

use super::super::harness::*;
use super::origin::{Act, Cached, ok, say, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_answer_is_given_at_once_and_renewed_by_one_call() {
    let cached = Arc::new(
        Cached::start("", |n, _| {
            let headers = "Cache-Control: max-age=10, stale-while-revalidate=30\nETag: \"1\"";
            match n {
                0 => ok(headers, "0"),
                _ => Act::Wait(String::new(), text("200 OK", headers, &n.to_string())),
            }
        })
        .await,
    );
    cached.get("/api/c/x").await;
    cached.wait(15);
    let asking = (0..100).map(|_| {
        let cached = Arc::clone(&cached);
        tokio::spawn(async move { cached.get("/api/c/x").await })
    });
    for got in within(join_all(asking)).await {
        let got = got.unwrap();
        assert_eq!((got.body.as_str(), got.header("age")), ("0", "15"));
        assert_eq!(got.cache(), "tollgate; hit; ttl=-5; detail=stale-while-revalidate");
    }
    cached.origin.called(2).await;
    assert!(cached.origin.last().contains("if-none-match: \"1\""), "{}", cached.origin.last());
    cached.origin.let_go();
    let renewed = cached.until("/api/c/x", |got| got.body == "1").await;
    assert_eq!((renewed.cache(), cached.origin.calls()), ("tollgate; hit; ttl=10", 2));
    // After its time even for that, it is waited for.
    cached.wait(41);
    assert_eq!(cached.get("/api/c/x").await.body, "2");
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_stale_answer_until_its_time() {
    let cached = Cached::start(", stale_while_revalidate = \"30s\"", |n, _| match n {
        0 => ok("Cache-Control: max-age=10", "0"),
        _ => say("500 Oops", ""),
    })
    .await;
    cached.get("/api/c/x").await;
    cached.wait(15);
    for calls in 2..5 {
        assert_eq!(cached.get("/api/c/x").await.body, "0");
        cached.origin.called(calls).await;
        within(async { while cached.metric("in_flight").await > 0 {} }).await;
    }
    cached.wait(30);
    assert_eq!(cached.get("/api/c/x").await.status, 500);
}

#[tokio::test]
async fn when_the_upstream_fails_a_stale_answer_stands_in() {
    let failures: [fn() -> Act; 4] = [
        || say("503 Service Unavailable", ""),
        || say("500 Oops", ""),
        || Act::Cut(String::new()),
        || Act::Cut("nonsense\r\n\r\n".to_owned()),
    ];
    for (at, failure) in failures.into_iter().enumerate() {
        let cached = Cached::start(", stale_if_error = \"60s\"", move |n, _| match n {
            0 => ok("Cache-Control: max-age=10", "kept"),
            _ => failure(),
        })
        .await;
        cached.get("/api/c/x").await;
        cached.wait(69);
        let stale = cached.get("/api/c/x").await;
        assert_eq!((stale.status, stale.body.as_str(), stale.header("age")), (200, "kept", "69"), "{at}");
        assert_eq!(stale.cache(), "tollgate; hit; ttl=-59; detail=stale-if-error");
        assert_eq!(cached.metric("response_cache_total{result=\"stale_on_error\"}").await, 1);
        cached.wait(2);
        assert!(cached.get("/api/c/x").await.status >= 500, "{at}: not for ever");
    }
}

#[tokio::test]
async fn an_open_breaker_and_an_address_where_nobody_is_are_errors_too() {
    let more = "breaker.open_for = \"10s\"\nbreaker.open_at_most = \"10s\"";
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let cached = Cached::with("mode = \"honour\", stale_if_error = \"60s\"", "", more, move |_, _| {
        if is_down.load(Ordering::SeqCst) { Act::Cut(String::new()) } else { ok("Cache-Control: max-age=10", "kept") }
    })
    .await;
    cached.get("/api/c/x").await;
    cached.wait(11);
    down.store(true, Ordering::SeqCst);
    let forced = serde_json::json!({"forced": "open"});
    let switch = cached.gate.client.put(format!("http://{}/admin/api/breakers/raw", cached.gate.admin)).json(&forced);
    assert_eq!(switch.send().await.unwrap().status(), 200);
    let calls = cached.origin.calls();
    assert_eq!(cached.get("/api/c/x").await.body, "kept");
    assert_eq!(cached.origin.calls(), calls, "nobody was asked");
    assert_eq!(cached.get("/api/c/other").await.status, 503);
}

#[tokio::test]
async fn what_an_answer_forbids_no_route_allows() {
    for (directives, stands_in) in [
        ("max-age=10, must-revalidate", false),
        ("max-age=10, proxy-revalidate", false),
        ("s-maxage=10", false),
        ("s-maxage=10, stale-if-error=60", true),
        ("max-age=10, stale-if-error=5", false),
        ("max-age=10", true),
    ] {
        let headers = format!("Cache-Control: {directives}\nETag: \"1\"");
        let cached = Cached::start(", stale_if_error = \"60s\"", move |n, _| match n {
            0 => ok(&headers, "kept"),
            _ => say("503 Service Unavailable", ""),
        })
        .await;
        cached.get("/api/c/x").await;
        cached.wait(20);
        let got = cached.get("/api/c/x").await;
        assert_eq!(got.status == 200, stands_in, "{directives}: {got:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_no_error_and_ends_what_is_kept() {
    let cached = Cached::start(", stale_if_error = \"60s\"", |n, _| match n {
        0 => ok("Cache-Control: max-age=10", "kept"),
        1 => say("403 Forbidden", ""),
        _ => say("503 Service Unavailable", ""),
    })
    .await;
    cached.get("/api/c/x").await;
    cached.wait(11);
    assert_eq!(cached.get("/api/c/x").await.status, 403);
    assert_eq!(cached.get("/api/c/x").await.status, 503, "what was forbidden is not given again");
}
