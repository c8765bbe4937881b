//! Headers that every answer carries, whoever made it.

use reqwest::Method;
use tests::client::Answer;
use tests::{Backend, Stack};

journeys!(every_answer_has_them, request_ids_are_kept_or_made);

fn has_them(answer: &Answer) {
    assert!(!answer.must("x-request-id").is_empty());
    assert!(["v1", "v2"].contains(&answer.must("api-version")), "{answer}");
    let timing = answer.must("server-timing").strip_prefix("total;dur=").unwrap_or_else(|| panic!("{answer}"));
    assert!(timing.split(',').next().is_some_and(|millis| millis.parse::<f64>().is_ok()), "{answer}");
    assert_eq!(answer.must("x-content-type-options"), "nosniff");
    for name in
        ["referrer-policy", "content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy"]
    {
        assert!(!answer.must(name).is_empty(), "{answer}");
    }
    assert_eq!(answer.header("strict-transport-security"), None, "HSTS is for TLS: {answer}");
    let vary =
        answer.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ");
    assert!(vary.to_ascii_lowercase().contains("api-version"), "the version headers are in Vary: {answer}");
}

async fn every_answer_has_them(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let account = ann.client.open("a", "USD").await;
    let (visitor, signed_in) = (stack.client(), &ann.client);
    let private = [
        signed_in.get("/api/v1/users/me").await.expect(200),
        signed_in.get("/api/v2/users/me").await.expect(200),
        signed_in.get(&format!("/api/v1/accounts/{account}")).await.expect(200),
        signed_in.get("/api/v1/accounts").await.expect(200),
        signed_in.get("/api/v1/transfers").await.expect(200),
        signed_in.get("/api/v1/accounts/nonsense").await.expect(404),
        signed_in.get("/api/v1/users").await.expect(403),
        signed_in.post("/api/v1/accounts", "not an object").await,
        visitor.get("/api/v1/users/me").await.expect(401),
        visitor.password_grant("nobody", "nothing at all 1").await.expect(400),
        visitor.password_grant(&ann.email, &ann.password).await.expect(200),
    ];
    for answer in &private {
        has_them(answer);
        assert!(answer.must("cache-control").contains("no-store"), "private answers are not stored: {answer}");
    }
    let others = [
        visitor.get("/api/v1/nothing").await,
        visitor.get("/api/v9/users").await.expect(400),
        visitor.call(Method::PUT, "/api/v1/users").send().await.expect(405),
        visitor.get("/.well-known/jwks.json").await.expect(200),
        visitor.get("/.well-known/receipt-keys.json").await.expect(200),
    ];
    for answer in &others {
        has_them(answer);
    }
}

async fn request_ids_are_kept_or_made(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let with = |id: String| ann.call(Method::GET, "/api/v1/users/me").header("x-request-id", &id).send();
    for good in ["a", "trace-1.2_3", &"x".repeat(64)] {
        assert_eq!(with(good.to_owned()).await.must("x-request-id"), good);
    }
    for bad in ["", "a b", "a/b", "<script>", &"x".repeat(65)] {
        let made = with(bad.to_owned()).await.expect(200);
        let id = made.must("x-request-id");
        assert!(id != bad && (1..=64).contains(&id.len()), "{made}");
        assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{id}");
    }
    let problem = ann
        .call(Method::GET, "/api/v1/accounts/x")
        .header("x-request-id", "mine-1")
        .send()
        .await
        .problem(404, "not_found");
    assert_eq!(problem["request_id"], "mine-1", "the service saw the same id");
}
