//! Every error is a problem of one shape, whoever made it: framework, gateway or service.

use reqwest::Method;
use tests::client::newcomer;
use tests::{Backend, Stack};

journeys!(framework_errors, of_the_services_too, nothing_private_shows);

async fn framework_errors(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await.client);
    visitor.get("/").await.problem(404, "not_found");
    visitor.get("/api/v1/nothing").await.is_problem();
    ann.get("/api/v1/nothing").await.problem(404, "not_found");
    ann.get("/api/v1/accounts/0/nothing/at/all").await.problem(404, "not_found");
    for (method, path, allowed) in [
        (Method::PUT, "/api/v1/users", "POST"),
        (Method::DELETE, "/api/v1/accounts", "GET"),
        (Method::GET, "/api/v1/auth/token", "POST"),
        (Method::PATCH, "/api/v1/transfers", "POST"),
        (Method::DELETE, "/.well-known/jwks.json", "GET"),
        (Method::DELETE, "/.well-known/receipt-keys.json", "GET"),
    ] {
        let answer = ann.call(method, path).send().await;
        answer.problem(405, "method_not_allowed");
        assert!(answer.must("allow").contains(allowed), "{answer}");
    }
    let long = format!("/api/v1/users/me?{}", "x".repeat(9_000));
    ann.get(&long).await.problem(414, "uri_too_long");
    ann.call(Method::GET, "/api/v1/users/me")
        .header("x-long", &"x".repeat(40_000))
        .send()
        .await
        .problem(431, "headers_too_large");
    let big = format!(r#"{{"name": "{}", "currency": "USD"}}"#, "x".repeat(2 * 1024 * 1024));
    ann.call(Method::POST, "/api/v1/accounts")
        .body("application/json", big)
        .send()
        .await
        .problem(413, "body_too_large");
}

async fn of_the_services_too(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    for (path, key) in [("/api/v1/users", "a"), ("/api/v1/accounts", "b"), ("/api/v1/transfers", "c")] {
        let post =
            |content_type: &str, body: &str| ann.call(Method::POST, path).key(key).body(content_type, body).send();
        post("text/plain", "{}").await.problem(415, "unsupported_media_type");
        post("application/x-www-form-urlencoded", "a=b").await.problem(415, "unsupported_media_type");
        for malformed in ["", "{", "[]", "null", "\"text\"", "{} {}", "{\"a\": 1,}", "{'a': 1}", "\u{feff}{}", "NaN"] {
            post("application/json", malformed).await.problem(400, "malformed_body");
        }
        let unknown = post("application/json", r#"{"surprise": 1}"#).await;
        unknown.problem(422, "validation_failed");
        assert!(!unknown.pointers().is_empty(), "{unknown}");
        let invalid = ann
            .call(Method::POST, path)
            .key(key)
            .body("application/json", b"{\"name\": \"\xff\"}".to_vec())
            .send()
            .await;
        invalid.problem(400, "malformed_body");
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        post("application/json", &deep).await.problem(400, "malformed_body");
    }
    let account = ann.open("a", "USD").await;
    let patch = ann.call(Method::PATCH, &format!("/api/v1/accounts/{account}")).body("text/plain", "{}").send().await;
    patch.problem(415, "unsupported_media_type");
}

async fn nothing_private_shows(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();
    let body = newcomer("ann");
    drop(visitor.post("/api/v1/users", &body).await.expect(201));
    let taken = visitor.post("/api/v1/users", &body).await;
    taken.is_problem();
    let shown = String::from_utf8_lossy(&taken.body).to_lowercase();
    for secret in ["sql", "constraint", "unique", "postgres", "panicked", ".rs", "password\":\"", "argon2"] {
        assert!(!shown.contains(secret), "{secret}: {taken}");
    }
}
