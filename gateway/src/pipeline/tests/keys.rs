//! Idempotency keys that the gateway keeps for an upstream that knows none.

mod refusals;
pub mod shop;

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::harness::*;
use shop::{Issuer, Play, Shop, ok, say};

/// A gateway in front of a shop, and a customer.
struct Counter {
    shop: Shop,
    issuer: Issuer,
    gate: Gate,
    token: String,
}

impl Counter {
    async fn open(play: Play) -> Self {
        Self::with(play, "", "").await
    }

    /// `route` and `more` are laid over the route's and the whole configuration.
    async fn with(play: Play, route: &str, more: &str) -> Self {
        let shop = Shop::open(play).await;
        Self::before(shop, route, more).await
    }

    async fn before(shop: Shop, route: &str, more: &str) -> Self {
        let issuer = Issuer::start().await;
        let more = format!(
            "authentication.jwks_url = \"http://{}/\"\nrate_limit.enabled = false\nbreaker.consecutive_failures = 0\n\
             breaker.failure_percent = 0\n{more}\n\
             [[routes]]\npath = \"/api/shop/{{item}}\"\nupstream = \"raw\"\nidempotency = \"edge\"\ntimeout = \"2s\"\n\
             body = 100000\n{route}\n\
             [[routes]]\npath = \"/api/plain\"\nupstream = \"raw\"\n",
            issuer.addr
        );
        let gate = Gate::start(shop.addr, &more).await;
        let token = issuer.token();
        let counter = Self { shop, issuer, gate, token };
        within(async { while counter.metric("signing_keys{issuer=\"default\"} ").await == 0 {} }).await;
        counter
    }

    fn call(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        let request = self.gate.client.request(method, self.gate.url(path)).bearer_auth(&self.token);
        request.header("idempotency-key", key)
    }

    /// Buys a pen.
    async fn buy(&self, key: &str) -> Answer {
        self.send(self.call(Method::POST, "/api/v1/shop/pen", key).json(&json!({"colour": "blue"}))).await
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(within(request.send()).await.unwrap()).await
    }

    /// How many requests with a key came to this.
    async fn count(&self, result: &str) -> u64 {
        self.metric(&format!("idempotency_total{{result=\"{result}\"}} ")).await
    }

    async fn metric(&self, name: &str) -> u64 {
        let text = self.gate.client.get(format!("http://{}/metrics", self.gate.admin)).send().await.unwrap();
        let (name, text) = (format!("tollgate_gateway_{name}"), text.text().await.unwrap());
        text.lines().find_map(|line| line.strip_prefix(name.as_str())?.parse().ok()).unwrap_or(0)
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    replayed: bool,
    sale: Option<String>,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Answer {
    async fn of(answer: Response) -> Self {
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        Self {
            status: answer.status().as_u16(),
            replayed: header("idempotent-replayed").as_deref() == Some("true"),
            sale: header("x-sale"),
            retry_after: header("retry-after"),
            body: answer.bytes().await.unwrap().to_vec(),
        }
    }

    /// The problem's status and code.
    fn problem(&self) -> (u16, String) {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        (self.status, body["code"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn a_hundred_clients_with_one_key_buy_once() {
    let counter = Counter::open(ok("{\"pen\": #}")).await;
    let answers = join_all((0..100).map(|_| counter.buy("one"))).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.sale.as_deref(), &*answer.body), (201, Some("1"), &b"{\"pen\": 1}"[..]));
    }
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one answer is the first");
    assert_eq!(counter.shop.sales(), 1);
    assert_eq!((counter.count("kept").await, counter.count("replayed").await), (1, 99));
    assert_eq!(counter.buy("two").await.sale.as_deref(), Some("2"));
}

#[tokio::test]
async fn one_who_waits_hears_the_firsts_answer_and_one_who_waits_too_long_is_told_so() {
    let counter = Counter::with(Play::Hold, "", "idempotency.wait = \"300ms\"").await;
    let (first, late) = tokio::join!(counter.buy("k"), async {
        counter.shop.sold(1).await;
        let late = counter.buy("k").await;
        assert_eq!(counter.send(counter.call(Method::POST, "/api/v1/shop/cap", "k")).await.problem(), reused());
        counter.shop.play(ok("sold"));
        late
    });
    assert_eq!((late.problem(), late.retry_after.as_deref()), ((409, "idempotency_in_progress".to_owned()), Some("1")));
    assert_eq!((first.status, first.replayed), (201, false));
    assert!(counter.buy("k").await.replayed);

    counter.shop.play(Play::Hold);
    let (first, second) = tokio::join!(counter.buy("l"), async {
        counter.shop.sold(2).await;
        let (second, ()) = tokio::join!(counter.buy("l"), async { counter.shop.play(ok("sold")) });
        second
    });
    assert_eq!((first.status, second.status, counter.shop.sales()), (201, 201, 2));
}

fn reused() -> (u16, String) {
    (422, "idempotency_key_reused".to_owned())
}

#[tokio::test]
async fn a_key_and_its_request_belong_together() {
    let counter = Counter::open(ok("sold")).await;
    let post = |path: &str, kind: &str, body: &str| {
        let request = counter.call(Method::POST, path, "k").header("content-type", kind).body(body.to_owned());
        counter.send(request)
    };
    let (pen, json) = ("/api/v1/shop/pen?wrap=1", "application/json");
    assert_eq!(post(pen, json, r#"{"a": 1, "b": [true, "x"]}"#).await.status, 201);
    for (path, kind, body) in [
        (pen, "application/json; charset=utf-8", r#"{ "b":[true,"\u0078"], "a":1 }"#),
        ("/api/v2/shop/pen?wrap=1", json, r#"{"a": 1, "b": [true, "x"]}"#),
        ("/api/shop/pen?wrap=1&version=2", json, r#"{"a": 1, "b": [true, "x"]}"#),
    ] {
        let again = post(path, kind, body).await;
        assert_eq!((again.status, again.replayed), (201, true), "{path} {body}");
    }
    for (path, kind, body) in [
        (pen, json, r#"{"a": 2, "b": [true, "x"]}"#),
        (pen, json, r#"{"a": 1.0, "b": [true, "x"]}"#),
        (pen, json, r#"{"a": 1, "b": ["x", true]}"#),
        (pen, json, r#"{"a": 1, "b": [true, "x"], "c": null}"#),
        (pen, json, "{"),
        (pen, json, ""),
        (pen, "text/plain", r#"{"a": 1, "b": [true, "x"]}"#),
        ("/api/v1/shop/pen", json, r#"{"a": 1, "b": [true, "x"]}"#),
        ("/api/v1/shop/cap?wrap=1", json, r#"{"a": 1, "b": [true, "x"]}"#),
    ] {
        assert_eq!(post(path, kind, body).await.problem(), reused(), "{path} {kind} {body}");
    }
    let patch = counter.call(Method::PATCH, pen, "k").header("content-type", json).body("{}");
    assert!(!counter.send(patch).await.replayed, "another method has other keys");
    assert_eq!(counter.shop.sales(), 2);
}

#[tokio::test]
async fn keys_are_the_callers_own() {
    let mut counter = Counter::open(ok("sold")).await;
    let hers = counter.buy("k").await;
    counter.token = counter.issuer.token();
    let his = counter.buy("k").await;
    assert_eq!((hers.sale.as_deref(), his.sale.as_deref(), his.replayed), (Some("1"), Some("2"), false));
    counter.token = "forged".to_owned();
    assert_eq!(counter.buy("k").await.problem(), (401, "token_invalid".to_owned()));
}

#[tokio::test]
async fn what_is_final_is_kept_and_what_is_not_frees_the_key() {
    let counter = Counter::open(ok("")).await;
    for (status, headers, kept) in [
        ("200 OK", "", true),
        ("202 Accepted", "", true),
        ("204 No Content", "", true),
        ("303 See Other", "Location: /x\r\n", true),
        ("307 Temporary Redirect", "Location: /x\r\n", false),
        ("400 Bad Request", "", false),
        ("401 Unauthorized", "", false),
        ("402 Payment Required", "", true),
        ("403 Forbidden", "", false),
        ("404 Not Found", "", true),
        ("408 Request Timeout", "", false),
        ("409 Conflict", "", true),
        ("409 Conflict", "Retry-After: 1\r\n", false),
        ("412 Precondition Failed", "", false),
        ("415 Unsupported Media Type", "", false),
        ("422 Unprocessable Content", "", true),
        ("429 Too Many Requests", "Retry-After: 1\r\n", false),
        ("500 Internal Server Error", "", false),
        ("503 Service Unavailable", "", false),
    ] {
        let key = format!("{status}{headers}").replace([' ', '\r', '\n'], "-");
        counter.shop.play(say(status, headers, if status.starts_with("204") { "" } else { "as told" }));
        let before = counter.shop.sales();
        let first = counter.buy(&key).await;
        assert_eq!(first.status.to_string(), status[..3]);
        counter.shop.play(ok("later"));
        let second = counter.buy(&key).await;
        let expected = if kept { (first.status, true, 1) } else { (201, false, 2) };
        assert_eq!((second.status, second.replayed, counter.shop.sales() - before), expected, "{status} {headers}");
        if kept {
            assert_eq!(second.body, first.body);
        } else {
            let key = format!("{key}-mended");
            counter.shop.play(say(status, headers, ""));
            assert_eq!(counter.buy(&key).await.status, first.status);
            counter.shop.play(ok("later"));
            let mended = counter.call(Method::POST, "/api/v1/shop/pen", &key).body("mended");
            assert_eq!(counter.send(mended).await.status, 201, "{status}: the key is free for another request");
        }
    }
    assert_eq!(counter.count("freed").await, 2 * 11);
}

#[tokio::test]
async fn a_client_that_leaves_finds_its_answer_when_it_comes_back() {
    let counter = Counter::open(Play::Hold).await;
    let impatient = counter.call(Method::POST, "/api/v1/shop/pen", "k").json(&json!({"colour": "blue"}));
    // Its connection is closed once the shop has the request.
    tokio::select! {
        _ = impatient.send() => panic!("the shop is silent"),
        () = counter.shop.sold(1) => {}
    }
    counter.shop.play(ok("sold"));
    let again = counter.buy("k").await;
    assert_eq!((again.status, again.replayed, again.sale.as_deref()), (201, true, Some("1")));
    assert_eq!(counter.shop.sales(), 1);
}

#[tokio::test]
async fn a_stop_waits_for_what_nobody_waits_for() {
    let counter = Counter::open(Play::Hold).await;
    let impatient = counter.call(Method::POST, "/api/v1/shop/pen", "k").json(&json!({"colour": "blue"}));
    tokio::select! {
        _ = impatient.send() => panic!("the shop is silent"),
        () = counter.shop.sold(1) => {}
    }
    let handle = counter.gate.handle.clone();
    let mut stopping = Box::pin(async move { handle.stop(std::time::Duration::from_secs(10)).await });
    let mut waited = tokio::time::interval(std::time::Duration::from_millis(10));
    for _ in 0..20 {
        tokio::select! {
            () = &mut stopping => panic!("the shop has not answered yet"),
            _ = waited.tick() => {}
        }
    }
    counter.shop.play(ok("sold"));
    within(stopping).await;
}

#[tokio::test]
async fn methods_that_may_be_repeated_and_routes_that_keep_no_keys_ignore_them() {
    let counter = Counter::open(ok("sold")).await;
    for (sale, method) in [Method::GET, Method::PUT, Method::DELETE].into_iter().enumerate() {
        for nth in 1..=2 {
            let answer = counter.send(counter.call(method.clone(), "/api/v1/shop/pen", "no key")).await;
            assert_eq!((answer.status, answer.replayed), (201, false));
            assert_eq!(counter.shop.sales(), 2 * sale + nth);
        }
    }
    for _ in 0..2 {
        let answer = counter.send(counter.call(Method::POST, "/api/v1/plain", "k")).await;
        assert_eq!((answer.status, answer.replayed), (201, false));
    }
    assert_eq!(counter.shop.sales(), 8);
}

#[tokio::test]
async fn who_waits_to_be_asked_for_the_body_is_asked() {
    let counter = Counter::open(ok("{}")).await;
    let mut client = counter.gate.connect().await;
    let head = format!(
        "POST /api/v1/shop/pen HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nIdempotency-Key: waits\r\n\
         Content-Type: application/json\r\nContent-Length: 17\r\nExpect: 100-continue\r\n\r\n",
        counter.token
    );
    write(&mut client, &head).await;
    assert_eq!(read_head(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
    write(&mut client, "{\"colour\":\"blue\"}").await;
    let answer = read_head(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
}
