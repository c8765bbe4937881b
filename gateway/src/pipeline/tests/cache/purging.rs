//! What is written is not read from the cache any more, and what operators and upstreams purge is gone.

use reqwest::Method;
use serde_json::{Value, json};

use super::MINUTE;
use super::origin::{Act, Cached, Got, ok, say, text};

/// Answers to GET are numbered and kept; to everything else the upstream says this.
async fn written(settings: &str, route: &str, headers: &'static str) -> Cached {
    Cached::with(&format!("mode = \"honour\"{settings}"), route, "", move |n, head| match head.split(' ').next() {
        Some("get") => ok("Cache-Control: max-age=60\nSurrogate-Key: one two\nCache-Groups: \"g\"", &n.to_string()),
        _ => Act::Say(text("200 OK", headers, "")),
    })
    .await
}

impl Cached {
    async fn is_kept(&self, path: &str) -> bool {
        let got = self.get(path).await;
        assert_eq!(got.status, 200);
        got.is_hit()
    }

    async fn write(&self, method: Method, path: &str) -> Got {
        self.call(method, path, &[]).await
    }

    async fn purge(&self, what: &Value) -> u16 {
        let url = format!("http://{}/admin/api/cache/purge", self.gate.admin);
        self.gate.client.post(url).json(what).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_write_ends_what_is_kept_of_its_address_in_every_version_and_query() {
    for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
        let cached = written("", "", "").await;
        let paths = ["/api/v1/c/x", "/api/v1/c/x?page=2", "/api/v2/c/x"];
        for path in paths.iter().chain(&["/api/v1/c/y"]) {
            cached.get(path).await;
            assert!(cached.is_kept(path).await);
        }
        cached.write(method.clone(), "/api/v1/c/x?force=1").await;
        for path in paths {
            assert!(!cached.is_kept(path).await, "{method} {path}");
        }
        assert!(cached.is_kept("/api/v1/c/y").await);
    }
}

#[tokio::test]
async fn a_write_that_is_refused_or_a_read_ends_nothing() {
    let cached = Cached::start("", |_, head| match head.split(' ').next() {
        Some("get") => ok(MINUTE, ""),
        Some("post") => say("422 Unprocessable Entity", ""),
        Some("put") => say("503 Service Unavailable", ""),
        _ => say("204 No Content", ""),
    })
    .await;
    cached.get("/api/c/x").await;
    for method in [Method::POST, Method::PUT, Method::OPTIONS] {
        cached.write(method.clone(), "/api/c/x").await;
        assert!(cached.is_kept("/api/c/x").await, "{method}");
    }
}

#[tokio::test]
async fn a_write_whose_end_nobody_knows_ends_what_is_kept() {
    let cached = Cached::start("", |_, head| match head.split(' ').next() {
        Some("get") => ok(MINUTE, ""),
        _ => Act::Cut(String::new()),
    })
    .await;
    cached.get("/api/c/x").await;
    assert_eq!(cached.write(Method::POST, "/api/c/x").await.status, 502);
    assert!(!cached.is_kept("/api/c/x").await);
}

#[tokio::test]
async fn an_answer_that_speaks_for_another_or_does_not_say_how_far_it_came_ends_what_is_kept() {
    for (status, gone) in [
        ("500 Oops", true),
        ("502 Bad Gateway", true),
        ("504 Gateway Timeout", true),
        ("503 Service Unavailable", false),
        ("409 Conflict", false),
    ] {
        let cached = Cached::start("", move |_, head| match head.split(' ').next() {
            Some("get") => ok(MINUTE, ""),
            _ => say(status, ""),
        })
        .await;
        cached.get("/api/c/x").await;
        cached.write(Method::PUT, "/api/c/x").await;
        assert_eq!(cached.is_kept("/api/c/x").await, !gone, "{status}");
    }
}

#[tokio::test]
async fn a_write_that_took_longer_than_it_may_ends_what_is_kept() {
    let route = "[[routes]]\npath = \"/api/c/slow\"\nupstream = \"raw\"\nauth = \"none\"\ntimeout = \"200ms\"\ncache = { mode = \"honour\" }";
    let cached = Cached::with("mode = \"honour\"", "", route, |_, head| match head.split(' ').next() {
        Some("get") => ok(MINUTE, ""),
        _ => Act::Wait(String::new(), text("204 No Content", "", "")),
    })
    .await;
    cached.get("/api/c/slow").await;
    assert_eq!(cached.write(Method::PUT, "/api/c/slow").await.status, 504);
    assert!(!cached.is_kept("/api/c/slow").await);
}

#[tokio::test]
async fn what_a_first_try_may_have_done_is_purged_whatever_the_last_one_says() {
    let retry = "upstream.retry.attempts = 1\nupstream.retry.backoff = \"1ms\"";
    for (last, status) in [("404 Not Found", 404), ("503 Service Unavailable", 503), ("gone", 503)] {
        let cached = Cached::with("mode = \"honour\"", "", retry, move |n, head| match (head.split(' ').next(), n) {
            (Some("get"), _) => ok(MINUTE, ""),
            (_, 1) if last == "gone" => Act::Vanish,
            (_, 1) => Act::Cut(String::new()),
            _ => say(last, ""),
        })
        .await;
        cached.get("/api/c/x").await;
        assert_eq!(cached.write(Method::DELETE, "/api/c/x").await.status, status, "{last}");
        let got = cached.get("/api/c/x").await;
        assert!(!got.is_hit(), "{last}: {got:?}");
    }
}

/// A gateway of these upstreams and rows: `@` stands for the upstream's address.
async fn rows(upstreams: &str, rows: &[&str]) -> Cached {
    let rows: Vec<_> =
        rows.iter().map(|row| format!("[[routes]]\nauth = \"none\"\n{}\n", row.replace("; ", "\n"))).collect();
    Cached::among(upstreams, &rows.concat(), move |n, head| match head.split(' ').next() {
        Some("get") => ok(MINUTE, &n.to_string()),
        _ => say("204 No Content", ""),
    })
    .await
}

const KEEPS: &str = "cache = { mode = \"honour\" }";

#[tokio::test]
async fn a_write_in_one_version_purges_what_rows_of_other_versions_keep() {
    let first = "path = \"/api/r/**\"; upstream = \"raw\"; version = \"v1\"";
    for (upstream, plain) in [("raw", false), ("other", false), ("raw", true)] {
        let second = match plain {
            false => format!("path = \"/api/r/**\"; upstream = \"{upstream}\"; version = \"v2\"; {KEEPS}"),
            true => format!("path = \"/api/v2/r/**\"; upstream = \"{upstream}\"; version = \"none\"; {KEEPS}"),
        };
        let cached = rows("{ name = \"other\", url = \"http://@\" }", &[first, &second]).await;
        for path in ["/api/v2/r/x", "/api/v2/r/y"] {
            cached.get(path).await;
            assert!(cached.is_kept(path).await);
        }
        assert_eq!(cached.write(Method::PUT, "/api/v1/r/x").await.status, 204);
        assert!(!cached.is_kept("/api/v2/r/x").await, "{upstream} {plain}");
        assert!(cached.is_kept("/api/v2/r/y").await);
        cached.get("/api/v2/r/x").await;
        assert_eq!(
            cached.purge(&json!({"url": "/api/v1/r/x"})).await,
            204,
            "an operator's word holds for every version too"
        );
        assert!(!cached.is_kept("/api/v2/r/x").await);
    }
}

#[tokio::test]
async fn a_write_under_one_host_purges_what_is_kept_under_others_of_the_same_service() {
    let writes = "path = \"/api/r/**\"; upstream = \"raw\"; host = \"write.example\"";
    let keeps = |host: &str, upstream: &str| {
        format!("path = \"/api/r/**\"; upstream = \"{upstream}\"; host = \"{host}\"; {KEEPS}")
    };
    let other = super::super::harness::Upstream::start().await;
    let upstreams =
        format!("{{ name = \"same\", url = \"http://@\" }}, {{ name = \"other\", url = \"http://{}\" }}", other.addr());
    for (host, upstream, gone) in [("Read.Example", "raw", true), ("read.example", "same", true)] {
        let cached = rows(&upstreams, &[writes, &keeps(host, upstream)]).await;
        let read = async || cached.ask("/api/r/x", &[("host", "read.example")]).await;
        read().await;
        assert!(read().await.is_hit());
        let written = cached.call(Method::PUT, "/api/r/x", &[("host", "write.example")]).await;
        assert_eq!(written.status, 204);
        assert_eq!(read().await.is_hit(), !gone, "{host} {upstream}");
        assert_eq!(cached.purge(&json!({"url": "/api/r/x"})).await, 204, "an operator need not name the host");
        assert!(!read().await.is_hit());
    }
    // What another service keeps under the same path is its own.
    let cached = rows(&upstreams, &[writes, &keeps("read.example", "raw").replace("\"raw\"", "\"other\"")]).await;
    let keep = async || cached.ask("/api/r/x", &[("host", "read.example")]).await;
    let answering = async {
        let (mut stream, _) = other.accept().await;
        super::super::harness::write(&mut stream, &text("200 OK", MINUTE, "theirs")).await;
    };
    tokio::join!(keep(), answering);
    assert_eq!(cached.call(Method::PUT, "/api/r/x", &[("host", "write.example")]).await.status, 204);
    let got = keep().await;
    assert!(got.is_hit() && got.body == "theirs", "{got:?}");
}

#[tokio::test]
async fn a_write_on_which_nothing_is_kept_leaves_no_mark() {
    let writes = "path = \"/api/r/{id}\"; upstream = \"raw\"";
    let keeps = format!("path = \"/api/s/**\"; upstream = \"raw\"; {KEEPS}");
    let cached = rows("", &[writes, &keeps]).await;
    for n in 0..5 {
        cached.write(Method::PUT, &format!("/api/v1/r/{n}")).await;
    }
    assert_eq!(cached.metric("response_cache_purged_tags_total").await, 0);
}

#[tokio::test]
async fn an_answer_names_what_else_it_has_changed() {
    for (headers, gone) in [
        ("Location: /api/v1/c/y", true),
        ("Content-Location: y", true),
        ("Cache-Group-Invalidation: \"f\", \"g\"", true),
        ("Location: http://elsewhere.example/api/v1/c/y", false),
        ("Location: //elsewhere.example/api/v1/c/y", false),
        ("Cache-Group-Invalidation: \"f\"", false),
        ("Location: /api/v1/c/../y", false),
    ] {
        let cached = written("", "", headers).await;
        cached.get("/api/c/y").await;
        let answer = cached.write(Method::POST, "/api/v1/c/x").await;
        assert_eq!(answer.status, 200);
        assert_eq!(cached.is_kept("/api/c/y").await, !gone, "{headers}");
    }
    let cached = written(", tags = [\"all\"]", "invalidates = [\"all\"]", "").await;
    cached.get("/api/c/y").await;
    cached.write(Method::POST, "/api/c/x").await;
    assert!(!cached.is_kept("/api/c/y").await);
}

#[tokio::test]
async fn what_was_read_before_a_write_and_comes_after_it_is_not_kept() {
    let cached = std::sync::Arc::new(
        Cached::start("", |n, head| match head.split(' ').next() {
            Some("get") if n == 0 => Act::Wait(String::new(), text("200 OK", MINUTE, "old")),
            Some("get") => ok(MINUTE, "new"),
            _ => say("204 No Content", ""),
        })
        .await,
    );
    let early = tokio::spawn({
        let cached = std::sync::Arc::clone(&cached);
        async move { cached.get("/api/c/x").await }
    });
    cached.origin.called(1).await;
    cached.write(Method::PUT, "/api/c/x").await;
    assert_eq!(cached.get("/api/c/x").await.body, "new", "who reads after a write does not wait for a read before it");
    cached.origin.let_go();
    assert_eq!(early.await.unwrap().body, "old");
    assert_eq!(cached.get("/api/c/x").await.body, "new");
}

#[tokio::test]
async fn operators_purge_by_address_by_tag_and_everything() {
    let cached = written(", tags = [\"route\"]", "", "").await;
    let url = format!("http://{}/api/v2/c/x?any", cached.gate.addr);
    for (what, gone) in [
        (json!({"url": url}), true),
        (json!({"url": "/api/c/x"}), true),
        (json!({"tag": "two"}), true),
        (json!({"tag": "route"}), true),
        (json!({"all": true}), true),
        (json!({"url": "/api/c/other"}), false),
        (json!({"tag": "three"}), false),
    ] {
        cached.get("/api/c/x").await;
        assert_eq!(cached.purge(&what).await, 204, "{what}");
        assert_eq!(cached.is_kept("/api/c/x").await, !gone, "{what}");
    }
    for (what, status) in [
        (json!({"url": "/nothing"}), 404),
        (json!({"url": "nonsense"}), 422),
        (json!({}), 422),
        (json!({"tag": "x", "all": true}), 422),
    ] {
        assert_eq!(cached.purge(&what).await, status, "{what}");
    }
}
