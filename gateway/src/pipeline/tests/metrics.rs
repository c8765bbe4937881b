//! What a scrape says after something has been brought about: values, not only names.

use std::time::Duration;

use serde_json::json;

use super::harness::*;
use super::stub::{Reply, Stub, ok};

/// Holds each line of a scrape against its value.
async fn shows(gate: &Gate, lines: &[(&str, u64)]) {
    for (line, value) in lines {
        assert_eq!(gate.metric(line).await, Some(*value), "{line}");
    }
}

#[tokio::test]
async fn a_breaker_and_what_it_refuses() {
    let gate = Gate::start(dead().await, "breaker.open_for = \"30s\"\nbreaker.jitter_percent = 0\n").await;
    let closed = [
        ("breaker_state{upstream=\"raw\",state=\"closed\"}", 1),
        ("breaker_state{upstream=\"raw\",state=\"open\"}", 0),
        ("breaker_trips_total{upstream=\"raw\"}", 0),
        ("breaker_refusals_total{upstream=\"raw\",forced=\"false\"}", 0),
        ("upstream_requests_total{upstream=\"raw\",outcome=\"none\"}", 0),
    ];
    shows(&gate, &closed).await;
    for _ in 0..7 {
        assert_eq!(gate.get("/api/t/x").await.status(), 503);
    }
    let open = [
        ("breaker_state{upstream=\"raw\",state=\"closed\"}", 0),
        ("breaker_state{upstream=\"raw\",state=\"open\"}", 1),
        ("breaker_state{upstream=\"raw\",state=\"half_open\"}", 0),
        ("breaker_trips_total{upstream=\"raw\"}", 1),
        ("breaker_forced{upstream=\"raw\"}", 0),
        ("breaker_refusals_total{upstream=\"raw\",forced=\"false\"}", 2),
        ("breaker_refusals_total{upstream=\"raw\",forced=\"true\"}", 0),
        ("upstream_requests_total{upstream=\"raw\",outcome=\"none\"}", 5),
        ("breaker_trips_total{upstream=\"users\"}", 0),
    ];
    shows(&gate, &open).await;
    gate.put("breakers/raw", &json!({"forced": "open"})).await;
    assert_eq!(gate.get("/api/t/x").await.status(), 503);
    let forced = [
        ("breaker_forced{upstream=\"raw\"}", 1),
        ("breaker_state{upstream=\"raw\",state=\"open\"}", 1),
        ("breaker_refusals_total{upstream=\"raw\",forced=\"true\"}", 1),
        ("breaker_trips_total{upstream=\"raw\"}", 1),
    ];
    shows(&gate, &forced).await;
}

#[tokio::test]
async fn requests_by_the_upstream_that_answered_also_after_a_reload() {
    let main = Stub::start(|calls, _| if calls == 1 { Reply::With(404, "") } else { ok("") }).await;
    let canary = Stub::start(|_, _| Reply::With(500, "")).await;
    let both = format!(
        "{{ name = \"raw\", url = \"http://{}\" }}, {{ name = \"canary\", url = \"http://{}\" }}",
        main.addr, canary.addr
    );
    let route = "[[routes]]\npath = \"/api/t/split\"\nupstream = \"raw\"\nauth = \"none\"\n\
                 split = [{ upstream = \"canary\", header = \"X-Canary: yes\" }]\n";
    let gate = Gate::among(&both, route).await;
    for _ in 0..3 {
        gate.get("/api/t/split").await;
    }
    let ask = async || gate.client.get(gate.url("/api/t/split")).header("x-canary", "yes").send().await.unwrap();
    assert_eq!((ask().await.status().as_u16(), ask().await.status().as_u16()), (500, 500));
    let shares = [
        ("upstream_requests_total{upstream=\"raw\",outcome=\"2xx\"}", 2),
        ("upstream_requests_total{upstream=\"raw\",outcome=\"4xx\"}", 1),
        ("upstream_requests_total{upstream=\"raw\",outcome=\"5xx\"}", 0),
        ("upstream_requests_total{upstream=\"canary\",outcome=\"5xx\"}", 2),
        ("upstream_requests_total{upstream=\"canary\",outcome=\"none\"}", 0),
    ];
    shows(&gate, &shares).await;
    gate.rewrite(&both, &format!("breaker.open_for = \"9s\"\n{route}"));
    eventually(async || gate.metric("config_generation").await == Some(2)).await;
    shows(&gate, &shares).await;
}

#[tokio::test]
async fn what_a_client_does_wrong_is_no_request_of_an_upstream() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "POST /api/t/up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let (_stream, _) = upstream.accept().await;
    write(&mut client, "no length\r\n").await;
    let answer = read_until(&mut client, |text| text.ends_with('}')).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    shows(&gate, &[("upstream_requests_total{upstream=\"raw\",outcome=\"none\"}", 0)]).await;
}

#[tokio::test]
async fn whose_client_did_not_wait_is_counted_as_such() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (_stream, _) = upstream.accept().await;
    drop(client);
    let gone = "upstream_requests_total{upstream=\"raw\",outcome=\"gone\"}";
    eventually(async || gate.metric(gone).await == Some(1)).await;
    shows(&gate, &[("upstream_requests_total{upstream=\"raw\",outcome=\"none\"}", 0)]).await;
}

#[tokio::test]
async fn who_was_asked_before_the_breaker_opened_hears_what_came_of_that() {
    let stub = Stub::start(|_, _| Reply::Cut).await;
    let settings = "upstream.retry.attempts = 1\nupstream.retry.backoff = \"500ms\"\nupstream.retry.backoff_at_most = \"500ms\"\n\
                    breaker.consecutive_failures = 0\nbreaker.failure_percent = 0\n";
    let gate = Gate::start(stub.addr, settings).await;
    let refusals = "breaker_refusals_total{upstream=\"raw\",forced=\"true\"}";
    // Any part of the wait is waited, so that one may be over before the breaker is opened.
    for asked in 1..=20 {
        gate.put("breakers/raw", &json!({"forced": null})).await;
        let calls = stub.calls();
        let (answer, ()) = tokio::join!(gate.get("/api/t/x"), async {
            until(|| stub.calls() > calls).await;
            gate.put("breakers/raw", &json!({"forced": "open"})).await;
        });
        assert_eq!(answer.status(), 502);
        shows(&gate, &[("upstream_requests_total{upstream=\"raw\",outcome=\"none\"}", asked)]).await;
        if gate.metric(refusals).await == Some(1) {
            return;
        }
    }
    panic!("never opened in time");
}

#[tokio::test]
async fn what_is_shed_and_what_is_out() {
    let stub = Stub::start(|_, _| Reply::Hang).await;
    let settings =
        "upstream.concurrency.initial = 10\nupstream.concurrency.least = 10\nupstream.concurrency.low_percent = 30\n";
    let gate = Gate::start(stub.addr, settings).await;
    let mut out = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (client, url) = (gate.client.clone(), gate.url("/api/t/x"));
        out.spawn(async move { client.get(url).send().await });
    }
    until(|| stub.calls() >= 3).await;
    for _ in 0..2 {
        assert_eq!(gate.get("/api/t/x").await.status(), 503);
    }
    let lines = [
        ("concurrency_limit{upstream=\"raw\"}", 10),
        ("concurrency_pending{upstream=\"raw\"}", 3),
        ("shed_total{upstream=\"raw\",priority=\"low\"}", 2),
        ("shed_total{upstream=\"raw\",priority=\"normal\"}", 0),
        ("shed_total{upstream=\"raw\",priority=\"high\"}", 0),
        ("refused_total{reason=\"in_flight\"}", 0),
        ("in_flight", 3),
    ];
    shows(&gate, &lines).await;
    drop(out);
    eventually(async || gate.metric("concurrency_pending{upstream=\"raw\"}").await == Some(0)).await;
}

#[tokio::test]
async fn a_full_house() {
    let stub = Stub::start(|_, _| Reply::Hang).await;
    let gate = Gate::start(stub.addr, "server.max_in_flight = 1\n").await;
    let mut first = gate.connect().await;
    write(&mut first, "GET /api/t/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(|| stub.calls() == 1).await;
    assert_eq!(gate.get("/api/t/x").await.status(), 503);
    shows(&gate, &[("in_flight", 1), ("refused_total{reason=\"in_flight\"}", 1)]).await;
}

#[tokio::test]
async fn repetitions_and_what_is_left_of_them() {
    let stub = Stub::start(|_, _| Reply::With(502, "")).await;
    let budget = "upstream.retry.attempts = 2\nupstream.retry.budget_percent = 0\nupstream.retry.reserve = 3\n";
    let gate = Gate::start(stub.addr, budget).await;
    shows(&gate, &[("retries_left{upstream=\"raw\"}", 3)]).await;
    assert_eq!(gate.get("/api/t/x").await.status(), 502);
    let lines = [
        ("retries_left{upstream=\"raw\"}", 1),
        ("extra_calls_total{upstream=\"raw\",kind=\"retry\"}", 2),
        ("upstream_requests_total{upstream=\"raw\",outcome=\"5xx\"}", 1),
    ];
    shows(&gate, &lines).await;
}

#[tokio::test]
async fn endpoints_and_their_ejections() {
    let good =
        Stub::start(|calls, _| if calls == 0 { Reply::Answer(200, "", Duration::from_millis(20)) } else { ok("") });
    let (good, bad) = (good.await, Stub::start(|_, _| Reply::With(502, "")).await);
    let raw = format!("{{ name = \"raw\", url = \"http://{}\", endpoints = [\"http://{}\"] }}", good.addr, bad.addr);
    let gate = Gate::among(&raw, "upstream.retry.attempts = 1\n").await;
    let of = |family: &str, stub: &Stub| format!("{family}{{upstream=\"raw\",endpoint=\"http://{}\"}}", stub.addr);
    eventually(async || {
        gate.get("/api/t/x").await;
        bad.calls() == 5
    })
    .await;
    let lines = [
        (of("endpoint_available", &good), 1),
        (of("endpoint_available", &bad), 0),
        (of("endpoint_ejections_total", &good), 0),
        (of("endpoint_ejections_total", &bad), 1),
        (of("endpoint_pending", &good), 0),
    ];
    for (line, value) in &lines {
        shows(&gate, &[(line, *value)]).await;
    }
    assert!(gate.metric(&of("endpoint_latency_micros", &good)).await > Some(0));
}

#[tokio::test]
async fn configurations_that_are_taken_and_that_are_not() {
    let gate = Gate::start(dead().await, "").await;
    shows(&gate, &[("config_generation", 1), ("config_refused_total", 0)]).await;
    gate.overwrite("server.listn = 1\n");
    eventually(async || gate.metric("config_refused_total").await == Some(1)).await;
    shows(&gate, &[("config_generation", 1)]).await;
    gate.rewrite("{ name = \"raw\", url = \"http://127.0.0.1:1\" }", "");
    eventually(async || gate.metric("config_generation").await == Some(2)).await;
    shows(&gate, &[("config_refused_total", 1)]).await;
    // Nobody is there to give them.
    eventually(async || gate.metric("signing_keys_failures_total{issuer=\"default\"}").await > Some(0)).await;
    assert!(gate.metric("signing_keys_fetches_total{issuer=\"default\"}").await > Some(0));
}

#[tokio::test]
async fn what_is_answered_in_an_upstream_s_stead() {
    let route = "[[routes]]\npath = \"/api/t/soft\"\nupstream = \"raw\"\nauth = \"none\"\nfallback = { status = 200, body = '[]' }\n";
    let gate = Gate::start(dead().await, route).await;
    assert_eq!(gate.get("/api/t/soft").await.status(), 200);
    shows(&gate, &[("fallbacks_total{route=\"/api/t/soft\",code=\"upstream_unavailable\"}", 1)]).await;
}

#[tokio::test]
async fn streams_of_events_and_why_they_end() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let open = async || {
        let mut client = gate.connect().await;
        write(&mut client, "GET /api/t/events HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (mut service, _) = upstream.accept().await;
        write(&mut service, &format!("{head}9\r\ndata: 1\n\n\r\n")).await;
        read_until(&mut client, |text| text.contains("data: 1\n\n")).await;
        (client, service)
    };
    let (first, _second) = (open().await, open().await);
    shows(&gate, &[("event_streams_open", 2), ("event_streams_opened_total", 2)]).await;
    drop(first);
    eventually(async || gate.metric("event_streams_ended_total{reason=\"gone\"}").await == Some(1)).await;
    shows(&gate, &[("event_streams_open", 1), ("event_streams_opened_total", 2)]).await;
    shows(&gate, &[("websockets_open", 0), ("websockets_opened_total", 0)]).await;
}
