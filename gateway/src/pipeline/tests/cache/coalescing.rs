//! Many who miss the same answer at once are one call, or as many as there must be, but never one after another.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::super::harness::*;
use super::MINUTE;
use super::origin::{Act, Cached, Got, text};

fn late(headers: &'static str) -> impl Fn(usize, &str) -> Act + Send + Sync + 'static {
    move |n, _| Act::Wait(String::new(), text("200 OK", headers, &n.to_string()))
}

fn many(cached: &Arc<Cached>, number: usize) -> Vec<JoinHandle<Got>> {
    let one = || {
        let cached = Arc::clone(cached);
        tokio::spawn(async move { cached.get("/api/c/x").await })
    };
    (0..number).map(|_| one()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_who_miss_at_once_are_one_call() {
    let cached = Arc::new(Cached::start("", late(MINUTE)).await);
    let asking = many(&cached, 500);
    cached.origin.called(1).await;
    // All but the one are inside and wait: the house says so.
    within(async { while cached.metric("in_flight").await < 500 {} }).await;
    cached.origin.let_go();
    let answers = within(join_all(asking)).await;
    assert!(answers.iter().all(|got| got.as_ref().unwrap().body == "0"));
    assert_eq!(cached.origin.calls(), 1);
    let collapsed = answers.iter().filter(|got| got.as_ref().unwrap().cache().contains("; collapsed")).count();
    assert_eq!((collapsed, cached.metric("response_cache_total{result=\"coalesced\"}").await), (499, 499));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_on_answers_that_come_at_once_is_one_call() {
    let cached = Arc::new(Cached::start("", |n, _| Act::Say(text("200 OK", MINUTE, &n.to_string()))).await);
    let answers = within(join_all(many(&cached, 300))).await;
    assert!(answers.iter().all(|got| got.as_ref().unwrap().body == "0"));
    assert_eq!(cached.origin.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_what_cannot_be_shared_goes_alone_and_at_once() {
    for headers in [
        "Cache-Control: no-store",
        "Cache-Control: max-age=0\nETag: \"1\"",
        "Cache-Control: max-age=60\nSet-Cookie: s=1",
    ] {
        // The first answers at once, all others together.
        let cached = Arc::new(
            Cached::start("", move |n, _| match n {
                0 => Act::Wait(String::new(), text("200 OK", headers, "0")),
                _ => Act::Say(text("200 OK", headers, "more")),
            })
            .await,
        );
        let asking = many(&cached, 50);
        cached.origin.called(1).await;
        within(async { while cached.metric("in_flight").await < 50 {} }).await;
        cached.origin.let_go();
        let answers = within(join_all(asking)).await;
        assert!(answers.iter().all(|got| got.as_ref().unwrap().status == 200));
        assert_eq!(cached.origin.calls(), 50, "{headers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_answer_that_cannot_be_shared_nobody_waits_for_the_next() {
    let cached = Arc::new(
        Cached::start("", |n, _| match n {
            0 => Act::Say(text("200 OK", "Cache-Control: no-store", "")),
            _ => Act::Wait(String::new(), text("200 OK", MINUTE, "")),
        })
        .await,
    );
    cached.get("/api/c/x").await;
    let asking = many(&cached, 20);
    cached.origin.called(21).await;
    cached.origin.let_go();
    within(join_all(asking)).await;
}

const FAILURES: [&str; 4] = [
    "nonsense\r\n\r\n",
    "HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nsecret",
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leaders_call_fails_one_asks_once_more_for_all() {
    for failure in FAILURES {
        let cached = Arc::new(
            Cached::start("", move |n, _| match n {
                0 => Act::Wait(String::new(), failure.to_owned()),
                _ => Act::Say(text("200 OK", MINUTE, "good")),
            })
            .await,
        );
        let asking = many(&cached, 20);
        cached.origin.called(1).await;
        within(async { while cached.metric("in_flight").await < 20 {} }).await;
        cached.origin.let_go();
        let answers = within(join_all(asking)).await;
        let good = answers.iter().filter(|got| got.as_ref().unwrap().body == "good").count();
        assert_eq!((good, cached.origin.calls()), (19, 2), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_is_down_is_not_asked_by_everybody_who_waited() {
    for (failure, status) in FAILURES.into_iter().zip([502, 502, 503, 502]) {
        let cached = Arc::new(Cached::start("", move |_, _| Act::Wait(String::new(), failure.to_owned())).await);
        let asking = many(&cached, 100);
        cached.origin.called(1).await;
        within(async { while cached.metric("in_flight").await < 100 {} }).await;
        cached.origin.let_go();
        let answers = within(join_all(asking)).await;
        // Who is slow to hear of the first failure may come when the second call is over.
        assert!(cached.origin.calls() <= 10, "{failure}: {}", cached.origin.calls());
        let told: Vec<_> = answers.iter().map(|got| got.as_ref().unwrap()).collect();
        let ours = told.iter().filter(|got| got.status == status && got.header("content-type").contains("problem"));
        assert!(ours.clone().count() >= 90, "{failure}: {told:?}");
        assert!(ours.clone().all(|got| !got.body.contains("secret")), "whom it was said to, nobody knows");
        if failure.contains("Retry-After") {
            assert!(ours.clone().all(|got| got.header("retry-after") == "7"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_call_that_fails_is_given_what_is_kept_where_that_may_be() {
    let cached = Arc::new(
        Cached::start(", stale_if_error = \"60s\"", |n, _| match n {
            0 => Act::Say(text("200 OK", "Cache-Control: max-age=10", "kept")),
            _ => Act::Wait(String::new(), "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned()),
        })
        .await,
    );
    cached.get("/api/c/x").await;
    cached.wait(15);
    let asking = many(&cached, 50);
    cached.origin.called(2).await;
    within(async { while cached.metric("in_flight").await < 50 {} }).await;
    cached.origin.let_go();
    let answers = within(join_all(asking)).await;
    assert!(answers.iter().all(|got| got.as_ref().unwrap().body == "kept"));
    assert_eq!(cached.origin.calls(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_who_is_shed_leaves_the_lead_to_the_next() {
    let more = "upstream.concurrency.initial = 1\nupstream.concurrency.least = 1\nupstream.concurrency.most = 1\n";
    let cached = Arc::new(
        Cached::with("mode = \"honour\"", "", more, |_, head| match head.contains("/c/busy") {
            true => Act::Wait(String::new(), text("200 OK", "Cache-Control: no-store", "")),
            false => Act::Say(text("200 OK", MINUTE, "")),
        })
        .await,
    );
    let busy = tokio::spawn({
        let cached = Arc::clone(&cached);
        async move { cached.get("/api/c/busy").await.status }
    });
    cached.origin.called(1).await;
    let answers = within(join_all(many(&cached, 20))).await;
    assert!(answers.iter().all(|got| got.as_ref().unwrap().body.contains("overloaded")), "each is told so itself");
    assert_eq!(cached.origin.calls(), 1);
    cached.origin.let_go();
    assert_eq!(within(busy).await.unwrap(), 200);
}

#[tokio::test]
async fn when_the_leaders_client_goes_away_another_leads() {
    let cached = Arc::new(Cached::start("", late(MINUTE)).await);
    let mut leader = cached.gate.connect().await;
    let host = cached.gate.addr;
    write(&mut leader, &format!("GET /api/c/x HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    cached.origin.called(1).await;
    let asking = many(&cached, 10);
    within(async { while cached.metric("in_flight").await < 11 {} }).await;
    assert_eq!(cached.origin.calls(), 1);
    drop(leader);
    cached.origin.called(2).await;
    cached.origin.let_go();
    let answers = within(join_all(asking)).await;
    assert!(answers.iter().all(|got| got.as_ref().unwrap().body == "1"));
    assert_eq!(cached.origin.calls(), 2);
}

#[tokio::test]
async fn who_waits_does_so_until_the_own_deadline_only() {
    let route = "[[routes]]\npath = \"/api/c/x\"\nupstream = \"raw\"\nauth = \"none\"\ntimeout = \"300ms\"\ncache = { mode = \"honour\" }";
    let cached = Arc::new(Cached::with("mode = \"honour\"", "", route, late(MINUTE)).await);
    let answers = within(join_all(many(&cached, 3))).await;
    assert!(answers.iter().all(|got| got.as_ref().unwrap().status == 504));
}
