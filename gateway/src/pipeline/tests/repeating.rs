//! Calls that are made again, asked twice, shown to others, or answered from the configuration.

use std::time::{Duration, Instant};

use super::harness::*;
use super::stub::{Reply, Stub, ok};

const RETRY: &str = "upstream.retry.attempts = 2\nbreaker.consecutive_failures = 0\nbreaker.failure_percent = 0\n";

async fn metric(gate: &Gate, line: &str) -> u64 {
    let text = gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap();
    let value = text.lines().find_map(|found| found.strip_prefix(line)).map(str::trim);
    value.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test]
async fn what_is_safe_is_repeated_and_what_is_not_is_not() {
    let stub = Stub::start(|calls, _| if calls % 3 < 2 { Reply::Cut } else { ok("at last") }).await;
    let gate = Gate::start(stub.addr, RETRY).await;
    let answer = gate.get("/api/t/x").await;
    assert_eq!((answer.status().as_u16(), stub.calls()), (200, 3));
    assert_eq!(answer.text().await.unwrap(), "at last");
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE] {
        let before = stub.calls();
        let answer = gate.client.request(method, gate.url("/api/t/x")).body("again").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), stub.calls() - before), (200, 3), "the body is sent each time");
    }
    let before = stub.calls();
    let post = gate.client.post(gate.url("/api/t/x")).body("once").header("idempotency-key", "k");
    assert_eq!(post.send().await.unwrap().status(), 502);
    assert_eq!(stub.calls() - before, 1, "this upstream does not honour keys");
    assert_eq!(metric(&gate, "tollgate_gateway_extra_calls_total{upstream=\"raw\",kind=\"retry\"}").await, 6);
}

#[tokio::test]
async fn a_key_makes_a_post_safe_where_it_is_honoured() {
    let stub = Stub::start(|calls, _| if calls % 2 == 0 { Reply::Cut } else { ok("") }).await;
    let raw = format!("{{ name = \"raw\", url = \"http://{}\", honours_keys = true }}", stub.addr);
    let gate = Gate::among(&raw, RETRY).await;
    let post = || gate.client.post(gate.url("/api/t/x")).body("money");
    assert_eq!(post().header("idempotency-key", "k").send().await.unwrap().status(), 200);
    assert_eq!(stub.calls(), 2);
    assert_eq!(post().send().await.unwrap().status(), 502, "without one it is not repeated");
    assert_eq!(stub.calls(), 3);
}

#[tokio::test]
async fn which_answers_are_worth_another_try() {
    for (reply, status, calls) in [
        (Reply::With(502, ""), 502, 3),
        (Reply::With(503, ""), 503, 3),
        (Reply::With(504, ""), 504, 3),
        (Reply::With(503, "retry-after: 1\r\n"), 503, 1),
        (Reply::With(500, ""), 500, 1),
        (Reply::With(429, ""), 429, 1),
        (Reply::With(404, ""), 404, 1),
    ] {
        let again = reply.clone();
        let stub = Stub::start(move |_, _| again.clone()).await;
        let gate = Gate::start(stub.addr, RETRY).await;
        assert_eq!(gate.get("/api/t/x").await.status(), status, "{reply:?}");
        assert_eq!(stub.calls(), calls, "{reply:?}");
    }
}

#[tokio::test]
async fn a_post_of_which_nothing_was_sent_goes_to_another_endpoint() {
    let stub = Stub::start(|_, _| ok("")).await;
    let raw =
        format!("{{ name = \"raw\", url = \"http://{}\", endpoints = [\"http://{}\"] }}", dead().await, stub.addr);
    let gate = Gate::among(&raw, RETRY).await;
    for n in 1..=20 {
        let answer = gate.client.post(gate.url("/api/t/x")).body("money").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), stub.calls()), (200, n));
    }
}

#[tokio::test]
async fn the_budget_keeps_a_dying_upstream_from_being_buried() {
    let stub = Stub::start(|_, _| Reply::With(502, "")).await;
    let settings = format!("{RETRY}upstream.retry.reserve = 10\nupstream.retry.backoff = \"1ms\"\n");
    let gate = Gate::start(stub.addr, &settings).await;
    for _ in 0..200 {
        assert_eq!(gate.get("/api/t/x").await.status(), 502);
    }
    assert_eq!(stub.calls(), 200 + 10 + 40, "the reserve, and one in five");
}

#[tokio::test]
async fn all_tries_share_one_deadline_and_each_is_told_what_is_left() {
    let stub = Stub::start(|calls, head| {
        let left: u64 =
            head.split("x-tollgate-deadline-ms: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
        match calls {
            0 => Reply::Answer(502, "", Duration::from_millis(left / 2)),
            _ => Reply::Answer(200, "", Duration::from_millis(if left < 300 { 0 } else { 60_000 })),
        }
    })
    .await;
    let route = "[[routes]]\npath = \"/api/t/hurry\"\nupstream = \"raw\"\nauth = \"none\"\ntimeout = \"500ms\"\n";
    let gate = Gate::start(stub.addr, &format!("{RETRY}{route}")).await;
    let began = Instant::now();
    assert_eq!(gate.get("/api/t/hurry").await.status(), 200);
    assert!(began.elapsed() >= Duration::from_millis(200) && stub.calls() == 2);
}

#[tokio::test]
async fn a_slow_get_is_asked_twice_and_the_slower_call_is_cancelled() {
    let slow = Stub::start(|_, _| Reply::Hang).await;
    let fast = Stub::start(|_, _| ok("fast")).await;
    let raw = format!("{{ name = \"raw\", url = \"http://{}\", endpoints = [\"http://{}\"] }}", slow.addr, fast.addr);
    let route = "[[routes]]\npath = \"/api/t/hedged\"\nupstream = \"raw\"\nauth = \"none\"\nhedge = \"20ms\"\ntimeout = \"5s\"\n";
    let gate = Gate::among(&raw, route).await;
    for _ in 0..20 {
        let answer = gate.get("/api/t/hedged").await;
        assert_eq!(answer.text().await.unwrap(), "fast");
    }
    let asked = slow.calls();
    until(|| slow.broken_off() >= asked).await;
    let hedges = metric(&gate, "tollgate_gateway_extra_calls_total{upstream=\"raw\",kind=\"hedge\"}").await;
    assert_eq!(hedges, asked as u64);
}

#[tokio::test]
async fn a_hedge_never_asks_the_endpoint_that_is_slow_already() {
    let slow = || Stub::start(|_, _| Reply::Answer(200, "slow", Duration::from_millis(150)));
    let (alone, beside) = (slow().await, slow().await);
    let route = "[[routes]]\npath = \"/api/t/hedged\"\nupstream = \"raw\"\nauth = \"none\"\nhedge = \"10ms\"\ntimeout = \"5s\"\n";
    // The other one is ejected: it is chosen when there is nobody else, but not to hedge.
    let dead = dead().await;
    for (stub, more, settings) in [
        (&alone, String::new(), ""),
        (
            &beside,
            format!(", endpoints = [\"http://{dead}\"]"),
            "upstream.ejection.consecutive_failures = 1\nupstream.ejection.base = \"60s\"\n",
        ),
    ] {
        let raw = format!("{{ name = \"raw\", url = \"http://{}\"{more} }}", stub.addr);
        let gate = Gate::among(&raw, &format!("{settings}{route}")).await;
        if !more.is_empty() {
            eventually(async || gate.get("/api/t/x").await.status() == 503).await;
        }
        let before = stub.calls();
        for _ in 0..5 {
            assert_eq!(gate.get("/api/t/hedged").await.text().await.unwrap(), "slow");
        }
        assert_eq!(stub.calls() - before, 5, "each was asked once");
        assert_eq!(metric(&gate, "tollgate_gateway_extra_calls_total{upstream=\"raw\",kind=\"hedge\"}").await, 0);
    }
}

#[tokio::test]
async fn a_hedge_is_paid_for_from_the_budget_and_there_is_none_without() {
    for (budget, hedges) in [("reserve = 0\nupstream.retry.budget_percent = 0", 0), ("reserve = 2", 2)] {
        let slow = || Stub::start(|_, _| Reply::Answer(200, "slow", Duration::from_millis(300)));
        let (first, second) = (slow().await, slow().await);
        let raw =
            format!("{{ name = \"raw\", url = \"http://{}\", endpoints = [\"http://{}\"] }}", first.addr, second.addr);
        let route = "[[routes]]\npath = \"/api/t/hedged\"\nupstream = \"raw\"\nauth = \"none\"\nhedge = \"10ms\"\ntimeout = \"5s\"\n";
        let gate = Gate::among(&raw, &format!("upstream.retry.{budget}\n{route}")).await;
        for _ in 0..3 {
            assert_eq!(gate.get("/api/t/hedged").await.text().await.unwrap(), "slow");
        }
        // What three calls pay in is not enough for one.
        let made = metric(&gate, "tollgate_gateway_extra_calls_total{upstream=\"raw\",kind=\"hedge\"}").await;
        assert_eq!(made, hedges, "{budget}");
        let asked = 3 + usize::try_from(hedges).unwrap();
        until(|| first.calls() + second.calls() == asked).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_call_along() {
    let stub = Stub::start(|_, _| Reply::Hang).await;
    let gate = Gate::start(stub.addr, "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(|| stub.calls() > 0).await;
    drop(client);
    until(|| stub.broken_off() > 0).await;
}

#[tokio::test]
async fn a_mirror_is_shown_calls_and_its_answers_are_for_nobody() {
    let stub = Stub::start(|_, _| ok("seen")).await;
    let shadow =
        Stub::start(|_, head| if head.starts_with("post /api/v1/t/shown?a=b ") { Reply::Hang } else { Reply::Cut })
            .await;
    let both = format!(
        "{{ name = \"raw\", url = \"http://{}\" }}, {{ name = \"shadow\", url = \"http://{}\" }}",
        stub.addr, shadow.addr
    );
    let route = "[[routes]]\npath = \"/api/t/shown\"\nupstream = \"raw\"\nauth = \"none\"\nmirror = { upstream = \"shadow\", percent = 100 }\n";
    let gate = Gate::among(&both, route).await;
    let answer = gate.client.post(gate.url("/api/t/shown?a=b")).body("body").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "seen"));
    until(|| shadow.calls() > 0).await;
    assert_eq!((stub.calls(), shadow.calls()), (1, 1));
}

#[tokio::test]
async fn a_configured_body_stands_in_for_an_upstream_that_is_gone() {
    let route = "[[routes]]\npath = \"/api/t/soft\"\nupstream = \"raw\"\nauth = \"none\"\nfallback = { status = 200, body = '{\"data\": []}' }\n";
    let gate = Gate::start(dead().await, route).await;
    let answer = gate.get("/api/t/soft").await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["x-tollgate-fallback"].to_str().unwrap()),
        (200, "upstream_unavailable")
    );
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert!(answer.headers().contains_key("x-request-id"));
    assert_eq!(answer.text().await.unwrap(), "{\"data\": []}");
}
