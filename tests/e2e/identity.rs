//! Who calls is said by the gateway alone: what clients claim is stripped, and a bare service answers nobody.

use reqwest::Method;
use tests::faults::{Play, Upstream, exchange, post_with};
use tests::stack::Service;
use tests::{Backend, Client, Stack, wait_until};

journeys!(
    claimed_identities_are_stripped,
    hop_by_hop_headers_stay_behind,
    services_refuse_calls_of_others,
    an_upstream_that_is_gone
);

/// A stack whose accounts-service is a recording upstream, with somebody signed in.
async fn recorded(backend: Backend) -> (Stack, Upstream, Client) {
    let upstream = Upstream::listen(Play::Answer(200)).await.expect("a port");
    let stack = Stack::builder(backend)
        .accounts_at(upstream.addr)
        .set(Service::Gateway, "documents.enabled", false)
        .start()
        .await;
    let ann = stack.register("ann").await.client;
    (stack, upstream, ann)
}

fn last(upstream: &Upstream) -> tests::faults::Recorded {
    upstream
        .requests()
        .into_iter()
        .rfind(|request| request.line.contains("/api/"))
        .expect("a request reached the upstream")
}

async fn claimed_identities_are_stripped(backend: Backend) {
    let (_stack, upstream, ann) = recorded(backend).await;
    let claims = [
        "x-tollgate-assertion",
        "x-user-id",
        "x-user-roles",
        "x-tollgate-user",
        "x-forwarded-user",
        "x-authenticated-user",
    ];
    let call =
        claims.iter().fold(ann.call(Method::GET, "/api/v1/accounts?page=1"), |call, name| call.header(name, "root"));
    drop(
        call.header("x-forwarded-for", "6.6.6.6")
            .header("x-request-id", "r-1")
            .header("x-custom", "kept")
            .send()
            .await
            .expect(200),
    );
    let seen = last(&upstream);
    assert_eq!(seen.line, "GET /api/v1/accounts?page=1 HTTP/1.1");
    for name in claims {
        assert!(!seen.header(name).contains(&"root"), "{name} passed: {seen:?}");
    }
    assert_eq!(seen.header("x-tollgate-assertion").len(), 1, "one assertion, the gateway's: {seen:?}");
    assert!(seen.header("authorization").is_empty(), "the token stays at the gateway: {seen:?}");
    assert_eq!((seen.header("x-request-id"), seen.header("x-custom")), (vec!["r-1"], vec!["kept"]));
    assert!(
        !seen.header("x-forwarded-for").iter().any(|chain| chain.contains("6.6.6.6")),
        "an untrusted hop's word is dropped: {seen:?}"
    );
    assert_eq!(seen.header("traceparent").len(), 1, "{seen:?}");
}

async fn hop_by_hop_headers_stay_behind(backend: Backend) {
    let (stack, upstream, ann) = recorded(backend).await;
    let token = ann.token().expect("signed in");
    let authorization = format!("Authorization: Bearer {token}");
    let headers = [
        authorization.as_str(),
        "Connection: x-hop",
        "X-Hop: secret",
        "Keep-Alive: timeout=9",
        "Proxy-Authorization: Basic eA==",
        "TE: trailers",
        "Proxy-Connection: close",
        "Idempotency-Key: k",
        "Content-Type: application/json",
        "Content-Length: 2",
    ];
    let answer = exchange(stack.gateway, &post_with("/api/v1/accounts", &headers, "{}")).await.expect("a connection");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = last(&upstream);
    for name in ["x-hop", "keep-alive", "proxy-authorization", "te", "proxy-connection", "upgrade"] {
        assert!(seen.header(name).is_empty(), "{name} passed: {seen:?}");
    }
    assert_eq!(seen.body, b"{}");
    assert_eq!(seen.header("idempotency-key"), ["k"]);
}

async fn services_refuse_calls_of_others(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let token = ann.client.token().expect("signed in").to_owned();
    for (addr, path) in [
        (stack.users, "/api/v1/users/me"),
        (stack.users, "/api/v1/users"),
        (stack.accounts, "/api/v1/accounts"),
        (stack.accounts, "/api/v1/transfers"),
    ] {
        let direct = Client::new(addr);
        direct.get(path).await.problem(401, "assertion_required");
        direct.with_token(token.clone()).get(path).await.problem(401, "assertion_required");
        for forged in ["", "root", &token, "eyJhbGciOiJub25lIn0.e30."] {
            let answer = direct
                .call(Method::GET, path)
                .header("x-tollgate-assertion", forged)
                .header("x-user-id", &ann.id)
                .send()
                .await;
            answer.problem(401, "assertion_required");
        }
    }
    for addr in [stack.users, stack.accounts] {
        for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
            assert_eq!(Client::new(addr).get(path).await.status, 200, "{path} needs no assertion");
        }
    }
    drop(Client::new(stack.users).get("/.well-known/jwks.json").await.expect(200));
}

async fn an_upstream_that_is_gone(backend: Backend) {
    let (stack, upstream, ann) = recorded(backend).await;
    drop(upstream);
    let limit = std::time::Duration::from_secs(10);
    let gone = wait_until("the gateway notices", limit, async || {
        Some(ann.get("/api/v1/accounts").await).filter(|answer| answer.status == 503)
    });
    gone.await.problem(503, "upstream_unavailable");
    assert_eq!(stack.client().get("/livez").await.status, 200);
    assert_eq!(ann.get("/api/v1/users/me").await.status, 200);
}
