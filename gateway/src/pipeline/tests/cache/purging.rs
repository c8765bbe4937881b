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
