//! Answers that are kept: which, for how long, for which requests, and what is said of them.

mod bodies;
mod callers;
mod coalescing;
mod origin;
mod purging;
mod redis;
mod stale;

use reqwest::Method;

use origin::{Act, Cached, ok, say, text};

const MINUTE: &str = "Cache-Control: max-age=60";

#[tokio::test]
async fn a_fresh_answer_is_given_again_with_its_age_and_the_headers_of_its_own_exchange() {
    let headers =
        "Cache-Control: max-age=60\nETag: \"1\"\nX-Own: a\nX-Own: b\nServer-Timing: db;dur=1\nSurrogate-Key: k";
    let cached = Cached::start("", move |n, _| ok(headers, &format!("answer {n}"))).await;
    let first = cached.ask("/api/v1/c/x?q=1", &[("x-request-id", "one")]).await;
    assert_eq!(
        (first.status, first.body.as_str(), first.cache()),
        (200, "answer 0", "tollgate; fwd=miss; fwd-status=200; stored")
    );
    cached.wait(7);
    let second = cached.ask("/api/v1/c/x?q=1", &[("x-request-id", "two")]).await;
    assert_eq!(
        (second.body.as_str(), second.header("age"), second.cache()),
        ("answer 0", "7", "tollgate; hit; ttl=53")
    );
    assert_eq!((second.header("x-request-id"), second.header("api-version")), ("two", "v1"));
    assert_eq!(second.headers.get_all("x-own").iter().count(), 2);
    assert!(second.headers.contains_key("x-content-type-options") && second.headers.contains_key("date"));
    assert!(!second.headers.contains_key("surrogate-key") && !first.headers.contains_key("surrogate-key"));
    assert!(!second.header("server-timing").contains("db"), "{second:?}");
    assert_eq!(cached.origin.calls(), 1);
    assert_eq!(cached.metric("response_cache_total{result=\"hit\"}").await, 1);

    let head = cached.call(Method::HEAD, "/api/v1/c/x?q=1", &[]).await;
    assert_eq!((head.status, head.header("content-length"), head.body.as_str()), (200, "8", ""));
    cached.wait(53);
    let third = cached.get("/api/v1/c/x?q=1").await;
    assert_eq!((third.body.as_str(), third.cache()), ("answer 1", "tollgate; fwd=stale; fwd-status=200; stored"));
}

#[tokio::test]
async fn a_stale_answer_is_confirmed_or_replaced() {
    let cached = Cached::start("", |n, head| match n {
        1 if head.contains("if-none-match: \"1\"\r\n") => {
            say("304 Not Modified", "ETag: \"1\"\nCache-Control: max-age=10\nX-New: yes\nSet-Cookie: s=1")
        }
        2 => say("304 Not Modified", "ETag: \"other\""),
        _ => ok("Cache-Control: max-age=60\nETag: \"1\"\nLast-Modified: Sat, 21 Nov 2026 08:00:00 GMT", "body"),
    })
    .await;
    cached.get("/api/c/x").await;
    cached.wait(61);
    let confirmed = cached.get("/api/c/x").await;
    assert_eq!((confirmed.status, confirmed.body.as_str(), confirmed.header("age")), (200, "body", "0"));
    assert_eq!(confirmed.cache(), "tollgate; fwd=stale; fwd-status=304; stored");
    assert_eq!((confirmed.header("x-new"), confirmed.header("set-cookie")), ("yes", "s=1"));
    let hit = cached.get("/api/c/x").await;
    assert!(hit.is_hit() && hit.header("x-new") == "yes" && hit.header("set-cookie").is_empty(), "{hit:?}");
    cached.wait(11);
    let replaced = cached.get("/api/c/x").await;
    assert_eq!((replaced.status, replaced.body.as_str(), cached.origin.calls()), (200, "body", 4));
    assert!(!cached.origin.last().contains("if-none-match"), "a 304 about another answer confirms nothing");
}

/// What an upstream says, and whether a second request is then answered without it.
async fn keeps(settings: &str, status: &'static str, headers: &'static str) -> bool {
    let cached = Cached::with(settings, "", "", move |_, _| Act::Say(text(status, headers, "body"))).await;
    cached.get("/api/c/x").await;
    cached.get("/api/c/x").await;
    cached.origin.calls() == 1
}

#[tokio::test]
async fn only_what_may_be_kept_is_kept() {
    for (status, headers, kept) in [
        ("200 OK", MINUTE, true),
        ("200 OK", "Cache-Control: MAX-AGE=60", true),
        ("200 OK", "Cache-Control: s-maxage=60, max-age=0", true),
        ("200 OK", "Expires: Fri, 01 Jan 2100 00:00:00 GMT", true),
        ("404 Not Found", MINUTE, true),
        ("301 Moved Permanently", "Location: /x\nCache-Control: max-age=60", true),
        ("200 OK", "", false),
        ("200 OK", "Last-Modified: Sat, 01 Nov 2025 08:00:00 GMT", false),
        ("200 OK", "Cache-Control: No-Store, max-age=60", false),
        ("200 OK", "Cache-Control: max-age=60\nCache-Control: no-store", false),
        ("200 OK", "Cache-Control: private, max-age=60", false),
        ("200 OK", "Cache-Control: PRIVATE=\"x, public\", max-age=60", false),
        ("200 OK", "Cache-Control: no-cache, max-age=60", false),
        ("200 OK", "Cache-Control: max-age=60\nAge: 61", false),
        ("200 OK", "Cache-Control: max-age=60\nAge: 18446744073709551615", false),
        ("200 OK", "Cache-Control: max-age=60\nSet-Cookie: s=1", false),
        ("200 OK", "Cache-Control: public, max-age=60\nSet-Cookie: s=1", false),
        ("200 OK", "Cache-Control: max-age=60\nVary: *", false),
        ("200 OK", "Cache-Control: max-age=60\nVary: X-Forwarded-For", false),
        ("200 OK", "Cache-Control: max-age=60\nVary: X-Tollgate-Assertion", false),
        ("200 OK", "Cache-Control: max-age=60\nContent-Type: text/event-stream", false),
        ("206 Partial Content", "Cache-Control: max-age=60\nContent-Range: bytes 0-3/9", false),
        ("302 Found", "Location: /x", false),
        ("500 Internal Server Error", MINUTE, false),
        ("418 Teapot", MINUTE, false),
    ] {
        assert_eq!(keeps("mode = \"honour\"", status, headers).await, kept, "{status}, {headers}");
    }
    let ttl = "mode = \"ttl\", ttl = \"60s\"";
    for (status, headers, kept) in [
        ("200 OK", "", true),
        ("200 OK", "Cache-Control: private", false),
        ("200 OK", "Pragma: no-cache", false),
        ("200 OK", "Expires: 0", false),
        ("404 Not Found", "", false),
    ] {
        assert_eq!(keeps(ttl, status, headers).await, kept, "{status}, {headers}");
    }
    assert!(!keeps("mode = \"off\"", "200 OK", MINUTE).await);
}

#[tokio::test]
async fn requests_say_whether_they_want_what_is_kept() {
    let cached = Cached::start("", |n, _| ok("Cache-Control: max-age=60\nETag: \"1\"", &n.to_string())).await;
    let absent = cached.ask("/api/c/x", &[("cache-control", "only-if-cached")]).await;
    assert_eq!((absent.status, cached.origin.calls()), (504, 0));
    assert_eq!(cached.get("/api/c/x").await.body, "0");
    cached.wait(20);
    for (name, value) in
        [("cache-control", "only-if-cached"), ("cache-control", "max-age=20"), ("cache-control", "Min-Fresh=40")]
    {
        assert!(cached.ask("/api/c/x", &[(name, value)]).await.is_hit(), "{value}");
    }
    for name in ["x-http-method-override", "x_http_method_override", "X-HTTP_Method", "X-Method-Override"] {
        assert!(cached.ask("/api/c/x", &[(name, "DELETE")]).await.is_hit(), "{name} reaches no upstream");
    }
    for (name, value) in [("range", "bytes=0-1"), ("cache-control", "no-store")] {
        let passed = cached.ask("/api/c/x", &[(name, value)]).await;
        assert_eq!(passed.cache(), "tollgate; fwd=bypass; fwd-status=200", "{name}");
        assert!(cached.get("/api/c/x").await.body == "0", "{name} left it alone");
    }
    let mut latest = "0".to_owned();
    for (name, value) in [
        ("cache-control", "No-Cache"),
        ("pragma", "no-cache"),
        ("cache-control", "max-age=0"),
        ("cache-control", "min-fresh=61"),
    ] {
        cached.wait(1);
        let asked = cached.ask("/api/c/x", &[(name, value)]).await;
        assert!(
            asked.cache().starts_with("tollgate; fwd=request") && asked.body != latest,
            "{name}: {value}: {asked:?}"
        );
        latest = asked.body;
        assert_eq!(cached.get("/api/c/x").await.body, latest, "the newer one is kept");
    }
    cached.wait(70);
    for (value, status) in
        [("only-if-cached", 504), ("only-if-cached, max-stale=5", 504), ("only-if-cached, max-stale", 200)]
    {
        assert_eq!(cached.ask("/api/c/x", &[("cache-control", value)]).await.status, status, "{value}");
    }
}

#[tokio::test]
async fn what_an_answer_forbids_max_stale_cannot_ask_for() {
    for forbidding in ["must-revalidate", "proxy-revalidate", "s-maxage=60"] {
        let headers = format!("Cache-Control: max-age=60, {forbidding}");
        let cached = Cached::start("", move |_, _| ok(&headers, "x")).await;
        cached.get("/api/c/x").await;
        cached.wait(61);
        let asked = cached.ask("/api/c/x", &[("cache-control", "only-if-cached, max-stale")]).await;
        assert_eq!(asked.status, 504, "{forbidding}");
    }
}

#[tokio::test]
async fn answers_that_vary_are_kept_apart() {
    let cached = Cached::start("", |_, head| {
        let language = head.split("accept-language: ").nth(1).map_or("none", |rest| rest.lines().next().unwrap());
        ok("Cache-Control: max-age=60\nVary: Accept-Language, X-Forwarded-Host\nVary: x-other", language)
    })
    .await;
    for (language, calls) in [("de", 1), ("fr", 2), ("de", 2), ("fr", 2)] {
        let got = cached.ask("/api/c/x", &[("accept-language", language)]).await;
        assert_eq!((got.body.as_str(), cached.origin.calls()), (language, calls));
    }
    assert_eq!(cached.get("/api/c/x").await.body, "none");
    assert_eq!(cached.ask("/api/c/x", &[("accept-language", "de"), ("x-other", "1")]).await.body, "de");
    assert_eq!(cached.origin.calls(), 4);
    // A header that `Connection` names does not reach the upstream, so this answer is not the German one.
    let hidden = [("accept-language", "de"), ("connection", "close, accept-language")];
    let got = cached.ask("/api/c/x", &hidden).await;
    assert!(got.body == "none" && got.cache().contains("fwd=bypass"), "{got:?}");
    assert_eq!(cached.ask("/api/c/x", &[("accept-language", "de")]).await.body, "de");
}

#[tokio::test]
async fn whatever_an_upstream_may_answer_by_is_part_of_the_key() {
    let cached = Cached::start(", vary = [\"X-Tenant\"]", |n, _| ok(MINUTE, &n.to_string())).await;
    let (a, b) = (("host", "a.example"), ("host", "b.example"));
    let asked: [(&str, &[(&str, &str)]); 8] = [
        ("/api/v1/c/x?a=1&b=2", &[a]),
        ("/api/v1/c/x?b=2&a=1", &[a]),
        ("/api/v1/c/x", &[a]),
        ("/api/v2/c/x", &[a]),
        ("/api/v1/c/x", &[b]),
        ("/api/v1/c/x", &[("host", "a.example:8080")]),
        ("/api/v1/c/x", &[a, ("x-tenant", "1")]),
        ("/api/v1/c/x", &[a, ("x-tenant", "")]),
    ];
    for (n, (path, headers)) in asked.iter().enumerate() {
        assert_eq!(cached.ask(path, headers).await.body, n.to_string(), "{path} {headers:?}");
    }
    for (n, (path, headers)) in asked.iter().enumerate() {
        assert_eq!(cached.ask(path, headers).await.body, n.to_string(), "{path} {headers:?}");
    }
    // However the version is said, and however the host is spelled.
    assert!(cached.ask("/api/c/x", &[a, ("api-version", "2")]).await.is_hit());
    assert!(cached.ask("/api/c/x?version=v2", &[a]).await.is_hit());
    assert!(cached.ask("/api/c/x", &[("host", "A.Example")]).await.is_hit());
}

#[tokio::test]
async fn the_clients_own_conditions_are_answered_from_what_is_kept() {
    let headers = "Cache-Control: max-age=60\nETag: \"1\"\nContent-Type: text/plain";
    let cached = Cached::start("", move |_, head| {
        assert!(!head.contains("if-none-match"), "nobody's tag goes to the upstream: {head}");
        ok(if head.contains("/private") { "Cache-Control: no-store\nETag: \"1\"" } else { headers }, "body")
    })
    .await;
    for path in ["/api/c/x", "/api/c/x", "/api/c/private"] {
        let same = cached.ask(path, &[("if-none-match", "\"0\", W/\"1\"")]).await;
        assert_eq!((same.status, same.body.as_str(), same.header("etag")), (304, "", "W/\"1\""), "{path}");
        assert!(!same.headers.contains_key("content-type"));
    }
    let other = cached.ask("/api/c/x", &[("if-none-match", "\"2\"")]).await;
    assert_eq!((other.status, other.body.as_str(), cached.origin.calls()), (200, "body", 2));
}

#[tokio::test]
async fn routes_without_a_cache_keep_nothing_and_say_nothing() {
    let cached = Cached::start("", |n, _| ok(MINUTE, &n.to_string())).await;
    assert_eq!(cached.get("/api/t/x").await.body, "0");
    let second = cached.get("/api/t/x").await;
    assert!(second.body == "1" && second.cache().is_empty(), "{second:?}");
}
