//! Rate limits are exact under concurrency, in memory and in Redis, and every answer says where its caller stands.

use futures_util::future::join_all;
use tests::client::Answer;
use tests::stack::{Builder, Service};
use tests::{Backend, Stack};

journeys!(ten_of_two_hundred_users_calls, ten_of_two_hundred_sign_ins, probes_are_not_counted, limits_are_announced);

/// Every policy is wide but the one named.
pub fn limited(backend: Backend, narrow: &str, quota: u32) -> Builder {
    let policy = |(name, key): (&str, &str)| {
        let quota = if name == narrow { quota } else { 100_000 };
        format!(r#"{{ name = "{name}", key = "{key}", quota = {quota}, window = "1h", burst = {quota} }}"#)
    };
    let names =
        [("address", "address"), ("user", "user"), ("staff", "user"), ("admin", "user"), ("sign_in", "address")];
    let policies = names.map(policy).join(", ");
    Stack::builder(backend).set(Service::Gateway, "rate_limit.enabled", true).set(
        Service::Gateway,
        "rate_limit.policies",
        format!("[{policies}]"),
    )
}

/// Ten passed, and all others were told when to come again.
fn exactly_ten(answers: &[Answer], passing: u16) {
    let passed = answers.iter().filter(|answer| answer.status == passing).count();
    for refused in answers.iter().filter(|answer| answer.status != passing) {
        refused.problem(429, "rate_limited");
        assert!(refused.must("ratelimit").contains("r=0"), "{refused}");
    }
    assert_eq!((passed, answers.len()), (10, 200));
}

async fn ten_of_two_hundred_users_calls(backend: Backend) {
    let stack = limited(backend, "user", 10).start().await;
    let (ann, bob) = (stack.register("ann").await.client, stack.register("bob").await.client);
    let calls = (0..200).map(|_| {
        let client = ann.clone();
        tokio::spawn(async move { client.get("/api/v1/users/me").await })
    });
    let answers: Vec<_> = join_all(calls).await.into_iter().map(|answer| answer.expect("the client runs")).collect();
    exactly_ten(&answers, 200);
    assert_eq!(bob.get("/api/v1/users/me").await.status, 200, "another user has a counter of their own");
}

async fn ten_of_two_hundred_sign_ins(backend: Backend) {
    let stack = limited(backend, "sign_in", 10).start().await;
    let visitor = stack.client();
    let answers = join_all((0..200).map(|_| visitor.password_grant("nobody@example.com", "not the password 1"))).await;
    exactly_ten(&answers, 400);
    assert_eq!(visitor.get("/api/v1/users/me").await.status, 401, "other routes have room");
}

async fn probes_are_not_counted(backend: Backend) {
    let stack = limited(backend, "address", 5).start().await;
    let visitor = stack.client();
    for _ in 0..10 {
        for path in ["/livez", "/readyz", "/openapi.json"] {
            assert_ne!(visitor.get(path).await.status, 429, "{path}");
        }
        let preflight =
            visitor.call(reqwest::Method::OPTIONS, "/api/v1/users").header("origin", "https://app.example.com");
        assert_ne!(preflight.header("access-control-request-method", "POST").send().await.status, 429);
    }
}

async fn limits_are_announced(backend: Backend) {
    let stack = limited(backend, "user", 3).start().await;
    let ann = stack.register("ann").await.client;
    for left in ["r=2", "r=1", "r=0"] {
        let answer = ann.get("/api/v1/users/me").await.expect(200);
        let (limit, policy) = (answer.must("ratelimit"), answer.must("ratelimit-policy"));
        assert!(limit.contains("\"user\"") && limit.contains(left), "{limit}");
        assert!(policy.contains("\"user\"") && policy.contains("q=3") && policy.contains("w=3600"), "{policy}");
    }
    let refused = ann.get("/api/v1/users/me").await;
    refused.problem(429, "rate_limited");
    let wait: u64 = refused.must("retry-after").parse().expect("whole seconds");
    assert!((1..=1_200).contains(&wait), "a third of the window frees one: {wait}");
}
