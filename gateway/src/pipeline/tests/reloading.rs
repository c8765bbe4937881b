//! A new configuration while requests are served.

mod edits;

use serde_json::{Value, json};

use super::harness::*;
use super::keys::shop::Issuer;
use super::stub::{Stub, ok};

async fn state(gate: &Gate) -> Value {
    let view = gate.client.get(format!("http://{}/admin/api/reload", gate.admin)).send().await.unwrap();
    view.json().await.unwrap()
}

async fn taken(gate: &Gate, generation: u64) -> Value {
    eventually(async || state(gate).await["generation"] == generation).await;
    state(gate).await
}

async fn reload(gate: &Gate) -> (u16, Value) {
    let answer = gate.client.post(format!("http://{}/admin/api/reload", gate.admin)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn the_file_is_watched_and_a_bad_one_changes_nothing() {
    let gate = Gate::start(dead().await, "").await;
    let raw = "{ name = \"raw\", url = \"http://127.0.0.1:1\" }";
    gate.overwrite("server.listn = 1\n[[routes]]\npath = \"nonsense\"\nupstream = \"nobody\"\n");
    eventually(async || state(&gate).await["refused"] == 1).await;
    let refused = state(&gate).await;
    assert_eq!(refused["generation"], 1);
    for part in ["server.listn", "routes[0].path", "nobody", "line"] {
        assert!(refused["error"].as_str().unwrap().contains(part), "{part} is missing in {refused}");
    }
    let (status, problem) = reload(&gate).await;
    assert_eq!((status, &problem["code"]), (422, &json!("validation_failed")));
    gate.rewrite(raw, "server.listen = \"127.0.0.1:1\"\n");
    let view = taken(&gate, 2).await;
    assert_eq!(view["error"], Value::Null);
    assert_eq!(view["waiting_for_restart"], json!(["server.listen"]));
    gate.rewrite(raw, "");
    assert_eq!(taken(&gate, 3).await["waiting_for_restart"], json!([]), "it is as at the start");
}

#[tokio::test]
async fn limits_are_in_force_at_once() {
    let gate = Gate::start(dead().await, "").await;
    assert_eq!(gate.get("/nothing").await.headers()["ratelimit-policy"], "\"address\";q=100;w=60;tollgate-burst=200");
    let raw = "{ name = \"raw\", url = \"http://127.0.0.1:1\" }";
    let limit = "rate_limit.roles = []\nrate_limit.anonymous = [\"tight\"]\nrate_limit.policies = [{ name = \"tight\", key = \"address\", quota = 2, window = \"1h\", burst = 2 }]\n";
    gate.rewrite(raw, limit);
    let (status, view) = reload(&gate).await;
    assert_eq!(status, 200, "{view}");
    let statuses =
        [gate.get("/nothing").await.status(), gate.get("/nothing").await.status(), gate.get("/nothing").await.status()];
    assert_eq!(statuses, [404, 404, 429]);
}

#[tokio::test]
async fn what_is_known_of_an_upstream_outlives_a_reload_unless_it_is_another() {
    let stub = Stub::start(|_, _| ok("")).await;
    let raw = format!("{{ name = \"raw\", url = \"http://{}\" }}", dead().await);
    let gate = Gate::among(&raw, "breaker.open_for = \"60s\"\nbreaker.open_at_most = \"60s\"\n").await;
    for _ in 0..6 {
        gate.get("/api/t/x").await;
    }
    gate.rewrite(&raw, "breaker.open_for = \"60s\"\nbreaker.open_at_most = \"60s\"\nserver.limits.url_bytes = 100\n");
    reload(&gate).await;
    assert_eq!(gate.get(&format!("/api/t/{}", "x".repeat(200))).await.status(), 414, "it is in force");
    let open = gate.get("/api/t/x").await;
    assert!(open.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 30, "the breaker is still open");
    gate.rewrite(&format!("{{ name = \"raw\", url = \"http://{}\" }}", stub.addr), "");
    reload(&gate).await;
    assert_eq!(gate.get("/api/t/x").await.status(), 200, "another breaker, another address");
}

/// What operators see of the breaker of `raw`.
async fn breaker(gate: &Gate) -> Value {
    let view = gate.client.get(format!("http://{}/admin/api/breakers", gate.admin)).send().await.unwrap();
    let view: Value = view.json().await.unwrap();
    view["data"].as_array().unwrap().iter().find(|breaker| breaker["upstream"] == "raw").unwrap().clone()
}

#[tokio::test]
async fn an_upstream_that_moves_begins_with_a_closed_breaker_and_what_an_operator_forced_stays() {
    let stub = Stub::start(|_, _| ok("")).await;
    let raw = |addr| format!("{{ name = \"raw\", url = \"http://{addr}\" }}");
    let (old, settings) = (raw(dead().await), "breaker.open_for = \"60s\"\nbreaker.open_at_most = \"60s\"\n");
    let gate = Gate::among(&old, settings).await;
    for _ in 0..6 {
        gate.get("/api/t/x").await;
    }
    assert_eq!(breaker(&gate).await["state"], "open");
    gate.rewrite(&old, &format!("{settings}breaker.probes = 7\n"));
    reload(&gate).await;
    assert_eq!(breaker(&gate).await["state"], "open", "another setting makes nobody well");
    gate.rewrite(&raw(stub.addr), &format!("{settings}breaker.probes = 7\n"));
    reload(&gate).await;
    assert_eq!(gate.get("/api/t/x").await.status(), 200, "the old place's breaker is not the new one's");

    let switch = gate.client.put(format!("http://{}/admin/api/breakers/raw", gate.admin));
    assert_eq!(switch.json(&json!({"forced": "open"})).send().await.unwrap().status(), 200);
    let moved = Stub::start(|_, _| ok("")).await;
    for (upstream, settings) in [(stub.addr, "breaker.probes = 5\n"), (moved.addr, ""), (stub.addr, settings)] {
        gate.rewrite(&raw(upstream), settings);
        reload(&gate).await;
        assert_eq!(gate.get("/api/t/x").await.status(), 503, "{settings}");
        assert_eq!(breaker(&gate).await["forced"], "open");
    }
    assert_eq!((stub.calls(), moved.calls()), (1, 0));
}

#[tokio::test]
async fn what_the_door_says_and_bears_is_in_force_at_once() {
    let gate = Gate::start(dead().await, "").await;
    let raw = "{ name = \"raw\", url = \"http://127.0.0.1:1\" }";
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "x".repeat(45_000));
    let ask = async |text: &str| {
        let mut client = gate.connect().await;
        write(&mut client, text).await;
        read_all(&mut client).await
    };
    assert!(ask(&long).await.starts_with("HTTP/1.1 414"));
    assert!(ask("nonsense\r\n\r\n").await.contains("api-version: v1"));
    let served = "versions.default = \"v2\"\nversions.served = [{ name = \"v2\" }]\nsecurity_headers.referrer_policy = \"origin\"\n";
    gate.rewrite(raw, &format!("server.limits.url_bytes = 50000\n{served}"));
    let (status, view) = reload(&gate).await;
    assert_eq!((status, &view["waiting_for_restart"]), (200, &json!([])), "{view}");
    assert!(ask(&long).await.starts_with("HTTP/1.1 404"));
    let refused = ask("nonsense\r\n\r\n").await;
    assert!(refused.contains("api-version: v2") && refused.contains("referrer-policy: origin"), "{refused}");
}

#[tokio::test]
async fn what_an_issuer_said_of_a_token_outlives_a_reload_of_anything_else() {
    let body = r#"{"active": true, "sub": "somebody", "scope": "raw:read", "iss": "https://asked.example", "exp": 4102444800}"#;
    let issuer = Stub::start(move |_, _| ok(body)).await;
    let stub = Stub::start(|_, _| ok("")).await;
    let raw = format!("{{ name = \"raw\", url = \"http://{}\" }}", stub.addr);
    let more = |remember: &str, probes: u8| {
        format!(
            "breaker.probes = {probes}\nauthentication.introspection.remember = \"{remember}\"\n\
             [[authentication.issuers]]\nname = \"asked\"\nissuer = \"https://asked.example\"\n\
             introspection = {{ url = \"http://{}/introspect\" }}\n[[routes]]\npath = \"/api/open\"\nupstream = \"raw\"\n",
            issuer.addr
        )
    };
    let gate = Gate::among(&raw, &more("30s", 3)).await;
    let ask = async || {
        // A new connection each time may come to either worker.
        let client = reqwest::Client::new();
        let answer = client.get(gate.url("/api/v1/open")).bearer_auth("an-opaque-token").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    };
    ask().await;
    for probes in 4..8 {
        gate.rewrite(&raw, &more("30s", probes));
        assert_eq!(reload(&gate).await.0, 200);
        ask().await;
    }
    assert_eq!(issuer.calls(), 1, "asked once");
    gate.rewrite(&raw, &more("20s", 3));
    reload(&gate).await;
    ask().await;
    assert_eq!(issuer.calls(), 2, "other rules are other answers");
}

#[tokio::test]
async fn keys_of_an_address_that_is_left_are_not_believed_any_more() {
    let (old, new) = (Issuer::start().await, Issuer::start().await);
    let stub = Stub::start(|_, _| ok("")).await;
    let raw = format!("{{ name = \"raw\", url = \"http://{}\" }}", stub.addr);
    let more = |keys: &dyn std::fmt::Display| {
        format!("authentication.jwks_url = \"http://{keys}/\"\n[[routes]]\npath = \"/api/open\"\nupstream = \"raw\"\n")
    };
    let gate = Gate::among(&raw, &more(&old.addr)).await;
    let (olds, news) = (old.token(), new.token());
    let ask = async |token: &str| {
        gate.client.get(gate.url("/api/v1/open")).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    eventually(async || ask(&olds).await == 200).await;
    assert_eq!(ask(&news).await, 401);
    gate.rewrite(&raw, &more(&dead().await));
    reload(&gate).await;
    assert_eq!((ask(&olds).await, ask(&news).await), (503, 503), "nobody's keys are known");
    gate.rewrite(&raw, &more(&new.addr));
    reload(&gate).await;
    eventually(async || ask(&news).await == 200).await;
    assert_eq!(ask(&olds).await, 401);
}
