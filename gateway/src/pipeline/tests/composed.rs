//! Answers that are put together: side by side, each part on its own feet.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::store::Revocation;

use super::harness::*;
use super::keys::shop::Issuer;
use super::stub::{Reply, Stub, ok};

const SLOW: Duration = Duration::from_millis(400);

const NO_BREAKER: &str = "breaker.consecutive_failures = 0\nbreaker.failure_percent = 0\n";

/// A row of three parts, and one of each of their rows.
const ROWS: &str = r#"
[[routes]]
path = "/api/all"
methods = ["GET"]
compose = [
    { name = "first", path = "/api/parts/first" },
    { name = "second", path = "/api/parts/second" },
    { name = "third", path = "/api/third" },
]
scope_any = ["api"]
timeout = "5s"

[[routes]]
path = "/api/parts/{part}"
upstream = "raw"
scope_any = ["api"]

[[routes]]
path = "/api/third"
upstream = "raw"
roles = ["treasurer"]
"#;

struct Setting {
    gate: Gate,
    issuer: Issuer,
}

impl Setting {
    async fn new(stub: &Stub) -> Self {
        let issuer = Issuer::start().await;
        let more = format!(
            "authentication.jwks_url = \"http://{}/\"\nupstream.retry.attempts = 2\n{NO_BREAKER}{ROWS}",
            issuer.addr
        );
        let gate = Gate::start(stub.addr, &more).await;
        let ready = async || {
            let metrics = gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap();
            metrics.text().await.unwrap().contains("tollgate_gateway_signing_keys{issuer=\"default\"} 1")
        };
        eventually(ready).await;
        Self { gate, issuer }
    }

    async fn ask(&self, path: &str, lines: &[(&str, &str)]) -> (u16, Value) {
        let token = self.issuer.token_of(json!({"scope": "api"}));
        let request = self.gate.client.get(self.gate.url(path)).bearer_auth(token);
        let answer = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send();
        let answer = within(answer).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }
}

fn is_of(head: &str, path: &str) -> bool {
    head.starts_with(&format!("get {path} "))
}

#[tokio::test]
async fn parts_are_asked_side_by_side_and_judged_by_their_own_rows() {
    let stub = Stub::start(|_, head| {
        // What a client says of the whole is not said of the parts.
        assert!(!["if-none-match", "range:", "accept: application"].iter().any(|line| head.contains(line)), "{head}");
        if is_of(head, "/api/v2/parts/first") {
            Reply::Answer(200, "{\"a\":1}", SLOW)
        } else {
            assert!(is_of(head, "/api/v2/parts/second"), "{head}");
            Reply::Answer(200, "[2]", SLOW)
        }
    })
    .await;
    let setting = Setting::new(&stub).await;
    let began = Instant::now();
    let lines = [("if-none-match", "*"), ("range", "bytes=0-1"), ("accept", "application/json"), ("api-version", "v2")];
    let (status, all) = setting.ask("/api/all", &lines).await;
    assert!(began.elapsed() < 2 * SLOW, "one after the other: {:?}", began.elapsed());
    assert_eq!(status, 200, "{all}");
    assert_eq!((&all["first"], &all["second"], &all["third"]), (&json!({"a": 1}), &json!([2]), &Value::Null));
    assert_eq!((&all["complete"], &all["problems"]["third"]["code"]), (&json!(false), &json!("forbidden")));
    assert_eq!(all["problems"]["third"]["instance"], "/api/v2/third");
    assert_eq!(all["problems"].as_object().unwrap().len(), 1);
    assert_eq!(stub.calls(), 2, "who may not is not asked about");

    assert_eq!(setting.ask("/api/v1/all?x=1", &[]).await.0, 422);
    assert_eq!(setting.ask("/api/v1/all", &[("accept", "text/html")]).await.0, 406);
    let stranger = setting.gate.get("/api/v1/all").await;
    assert_eq!((stranger.status().as_u16(), stub.calls()), (401, 2));
}

#[tokio::test]
async fn a_part_that_fails_takes_nothing_from_the_others() {
    let stub = Stub::start(|calls, head| match (is_of(head, "/api/v1/parts/first"), calls / 2) {
        (true, _) => ok("{}"),
        (_, 0) => Reply::Answer(404, "{\"code\":\"not_found\"}", Duration::ZERO),
        (_, 1) => ok("<html>"),
        (_, 2) => Reply::With(302, "location: /elsewhere\r\n"),
        (_, 3) => Reply::With(200, "content-encoding: br\r\n"),
        (_, _) => Reply::Cut,
    })
    .await;
    let setting = Setting::new(&stub).await;
    for code in ["not_found", "bad_gateway", "bad_gateway", "bad_gateway", "bad_gateway"] {
        let (status, all) = setting.ask("/api/v1/all", &[]).await;
        assert_eq!((status, &all["first"], &all["second"]), (200, &json!({}), &Value::Null), "{all}");
        assert_eq!((&all["complete"], &all["problems"]["second"]["code"]), (&json!(false), &json!(code)), "{all}");
    }
}

#[tokio::test]
async fn a_part_whose_body_hangs_is_as_late_as_one_that_does_not_begin() {
    let stub = Stub::start(|_, head| if is_of(head, "/api/v1/parts/first") { ok("1") } else { Reply::Begin }).await;
    let setting = Setting::new(&stub).await;
    let (status, all) = setting.ask("/api/v1/all", &[]).await;
    assert_eq!((status, &all["first"], &all["second"]), (200, &json!(1), &Value::Null), "{all}");
    assert_eq!(all["problems"]["second"]["code"], "gateway_timeout", "{all}");
}

#[tokio::test]
async fn a_part_is_asked_again_only_for_who_is_still_there() {
    let stub = Stub::start(|_, head| match is_of(head, "/api/v1/parts/first") {
        true => ok("1"),
        false => Reply::Answer(502, "{\"code\":\"bad_gateway\"}", Duration::from_millis(700)),
    })
    .await;
    let setting = Setting::new(&stub).await;
    let mut claims = Issuer::claims();
    claims["scope"] = json!("api");
    let token = setting.issuer.sign(&claims);
    let ask = async || {
        let asked = setting.gate.client.get(setting.gate.url("/api/v1/all")).bearer_auth(&token).send();
        within(asked).await.unwrap().json::<Value>().await.unwrap()
    };
    assert_eq!(ask().await["problems"]["second"]["code"], "bad_gateway");
    assert_eq!(stub.calls(), 1 + 3, "once and two times again");
    let (all, ()) = tokio::join!(ask(), async {
        until(|| stub.calls() == 6).await;
        let expires_at = Clock::system().now() + time::Duration::hours(1);
        let sid = serde_json::from_value(claims["sid"].clone()).unwrap();
        setting.gate.stores.revocations.publish(&Revocation::Session { sid, expires_at }).await.unwrap();
    });
    assert_eq!(all["problems"]["second"]["code"], "bad_gateway", "what came of the first try");
    assert_eq!(stub.calls(), 6);
}

#[tokio::test]
async fn a_part_that_hangs_is_waited_for_as_long_as_the_whole_may_take() {
    let stub = Stub::start(|_, head| if is_of(head, "/api/v1/parts/first") { ok("1") } else { Reply::Hang }).await;
    let setting = Setting::new(&stub).await;
    let began = Instant::now();
    let (status, all) = setting.ask("/api/v1/all", &[]).await;
    assert_eq!(
        (status, &all["first"], &all["problems"]["second"]["code"]),
        (200, &json!(1), &json!("gateway_timeout"))
    );
    assert!((5..9).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}
