//! Upstreams with several endpoints: who gets how much, who is left out, and what is shed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::harness::*;
use super::stub::{Reply, Stub, ok};

/// What operators see of `raw`.
async fn raw(gate: &Gate) -> Value {
    let view = gate.client.get(format!("http://{}/admin/api/upstreams", gate.admin)).send().await.unwrap();
    let view: Value = view.json().await.unwrap();
    view["data"].as_array().unwrap().iter().find(|upstream| upstream["name"] == "raw").unwrap().clone()
}

/// An upstream `raw` at these stubs.
fn at(stubs: &[&Stub], more: &str) -> String {
    let urls: Vec<_> = stubs.iter().map(|stub| format!("\"http://{}\"", stub.addr)).collect();
    format!("{{ name = \"raw\", url = {}, endpoints = [{}]{more} }}", urls[0], urls[1..].join(", "))
}

#[tokio::test]
async fn calls_are_spread_over_all_endpoints() {
    let slow = |_, _: &str| Reply::Answer(200, "", Duration::from_millis(20));
    let stubs = [Stub::start(slow).await, Stub::start(slow).await, Stub::start(slow).await];
    let gate = Gate::among(&at(&[&stubs[0], &stubs[1], &stubs[2]], ""), "").await;
    for _ in 0..10 {
        let answers = futures_util::future::join_all((0..12).map(|_| gate.get("/api/t/x"))).await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
    }
    let calls = stubs.each_ref().map(Stub::calls);
    assert!(calls.iter().sum::<usize>() == 120 && calls.iter().all(|calls| *calls >= 10), "{calls:?}");
}

#[tokio::test]
async fn an_endpoint_that_fails_is_ejected_and_clients_see_nothing_of_it() {
    let good = Stub::start(|_, _| ok("")).await;
    let bad = Stub::start(|_, _| Reply::With(502, "")).await;
    let gate = Gate::among(&at(&[&good, &bad], ""), "upstream.retry.attempts = 1\n").await;
    for _ in 0..100 {
        assert_eq!(gate.get("/api/t/x").await.status(), 200);
    }
    assert_eq!(bad.calls(), 5, "ejected after five failures in a row");
    let raw = raw(&gate).await;
    assert!(raw["endpoints"][1]["ejected_ms"].as_u64().unwrap() > 0, "{raw}");
    assert!(raw["endpoints"][0]["ejected_ms"].is_null(), "{raw}");
}

#[tokio::test]
async fn who_asks_for_patience_is_passed_over_and_neither_ejected_nor_given_up() {
    // Any failure at all would eject, and open the breaker.
    let strict = "upstream.ejection.consecutive_failures = 1\nbreaker.consecutive_failures = 1\nbreaker.minimum_volume = 1\n\
        breaker.failure_percent = 1\n";
    let busy = Stub::start(|_, _| Reply::With(429, "retry-after: 1\r\n")).await;
    let good = Stub::start(|_, _| ok("")).await;
    let gate = Gate::among(&at(&[&busy, &good], ""), strict).await;
    eventually(async || gate.get("/api/t/x").await.status() == 429).await;
    let latency = raw(&gate).await["endpoints"][0]["latency_micros"].as_u64().unwrap();
    assert!(latency > 50_000, "as if it had taken a tenth of a second, of which little is forgiven yet: {latency}");
    eventually(async || {
        let before = busy.calls();
        for _ in 0..20 {
            assert!([200, 429].contains(&gate.get("/api/t/x").await.status().as_u16()));
        }
        busy.calls() == before
    })
    .await;
    let seen = raw(&gate).await;
    assert!(seen["endpoints"].as_array().unwrap().iter().all(|endpoint| endpoint["ejected_ms"].is_null()), "{seen}");

    // Where there is nobody else, clients are told so, each time.
    let alone = Gate::among(&at(&[&busy], ""), strict).await;
    for _ in 0..30 {
        let answer = alone.get("/api/t/x").await;
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    }
    for gate in [&gate, &alone] {
        let view = gate.client.get(format!("http://{}/admin/api/breakers", gate.admin)).send().await.unwrap();
        let view: Value = view.json().await.unwrap();
        let raw = view["data"].as_array().unwrap().iter().find(|breaker| breaker["upstream"] == "raw").unwrap();
        assert_eq!((&raw["state"], &raw["trips"]), (&Value::from("closed"), &Value::from(0)), "{raw}");
    }
}

#[tokio::test]
async fn probes_take_an_endpoint_out_before_a_client_finds_out_and_bring_it_back() {
    let well = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&well);
    let sick = Stub::start(move |_, head| match (head.starts_with("get /health "), told.load(Ordering::SeqCst)) {
        (true, false) => Reply::With(500, ""),
        (false, false) => Reply::Cut,
        (_, true) => ok("was sick"),
    })
    .await;
    let good = Stub::start(|_, _| ok("")).await;
    let settings = "upstream.health.interval = \"20ms\"\n";
    let gate = Gate::among(&at(&[&good, &sick], ", health_path = \"/health\""), settings).await;
    let health = async |wanted: bool| {
        eventually(async || raw(&gate).await["endpoints"][1]["healthy"] == wanted).await;
    };
    health(false).await;
    for _ in 0..50 {
        assert_eq!(gate.get("/api/t/x").await.status(), 200);
    }
    well.store(true, Ordering::SeqCst);
    health(true).await;
    eventually(async || gate.get("/api/t/x").await.text().await.unwrap() == "was sick").await;
}

#[tokio::test]
async fn each_address_of_a_name_is_an_endpoint() {
    let first =
        Stub::at("127.0.0.1:0", |_, head| if head.contains("host: localhost:") { ok("") } else { Reply::Cut }).await;
    let named = format!("{{ name = \"raw\", url = \"http://localhost:{}\", dns = \"1s\" }}", first.addr.port());
    let gate = Gate::among(&named, "").await;
    let address = format!(" at {}", first.addr);
    eventually(async || raw(&gate).await["endpoints"].to_string().contains(&address)).await;
    // `localhost` may be ::1 as well, where nobody listens: a retry finds the other.
    let answer = gate.get("/api/t/x").await;
    assert!(answer.status() == 200 || answer.status() == 503);
    eventually(async || gate.get("/api/t/x").await.status() == 200).await;
}

#[tokio::test]
async fn a_canary_gets_who_asks_for_it_and_its_share_always_the_same_callers() {
    let (main, canary) = (Stub::start(|_, _| ok("main")).await, Stub::start(|_, _| ok("canary")).await);
    let both = format!(
        "{{ name = \"raw\", url = \"http://{}\" }}, {{ name = \"canary\", url = \"http://{}\" }}",
        main.addr, canary.addr
    );
    let route = "server.trusted_proxies = [\"127.0.0.1\"]\n[[routes]]\npath = \"/api/t/split\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\n\
        split = [{ upstream = \"canary\", percent = 30, header = \"X-Canary: yes\", cookie = \"canary=1\" }]\n";
    let gate = Gate::among(&both, route).await;
    let ask = async |name: &str, value: String| {
        let answer = gate.client.get(gate.url("/api/t/split")).header(name, value).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let mut share = 0;
    for n in 0..200 {
        let address = format!("10.0.{}.{}", n / 100, n % 100);
        let served = ask("x-forwarded-for", address.clone()).await;
        assert_eq!(ask("x-forwarded-for", address).await, served);
        share += usize::from(served == "canary");
    }
    assert!((30..=90).contains(&share), "{share} of 200");
    assert_eq!(ask("x-canary", "yes".to_owned()).await, "canary");
    assert_eq!(ask("cookie", "a=b; canary=1".to_owned()).await, "canary");
}

#[tokio::test]
async fn what_is_too_much_is_shed_and_the_least_important_first() {
    let stub = Stub::start(|_, _| Reply::Hang).await;
    let settings = "upstream.concurrency.initial = 10\nupstream.concurrency.least = 10\nupstream.concurrency.low_percent = 50\n\
        [[routes]]\npath = \"/api/t/high\"\nupstream = \"raw\"\nauth = \"none\"\npriority = \"high\"\n";
    let gate = Gate::start(stub.addr, settings).await;
    let mut out = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let (client, url) = (gate.client.clone(), gate.url("/api/t/x"));
        out.spawn(async move { client.get(url).send().await });
    }
    until(|| stub.calls() >= 5).await;
    let shed = gate.get("/api/t/x").await;
    assert_eq!((shed.status().as_u16(), shed.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let body: Value = shed.json().await.unwrap();
    assert_eq!(body["code"], "overloaded");
    let (client, url) = (gate.client.clone(), gate.url("/api/t/high"));
    out.spawn(async move { client.get(url).send().await });
    until(|| stub.calls() >= 6).await;
}
