//! Requests that two parsers could read differently are refused, and nothing of them reaches a service.

use tests::faults::{Play, Upstream, exchange, post_with};
use tests::stack::Service;
use tests::{Backend, Stack};

journeys!(ambiguous_framing_is_refused, odd_paths_are_refused);

async fn recorded(backend: Backend) -> (Stack, Upstream, String) {
    let upstream = Upstream::listen(Play::Answer(200)).await.expect("a port");
    let stack = Stack::builder(backend)
        .accounts_at(upstream.addr)
        .set(Service::Gateway, "documents.enabled", false)
        .start()
        .await;
    let token = stack.register("ann").await.client.token().expect("signed in").to_owned();
    (stack, upstream, format!("Authorization: Bearer {token}"))
}

fn reached(upstream: &Upstream) -> usize {
    upstream
        .requests()
        .iter()
        .filter(|request| request.line.contains("/api/") || request.line.contains("smuggled"))
        .count()
}

async fn ambiguous_framing_is_refused(backend: Backend) {
    let (stack, upstream, token) = recorded(backend).await;
    let json = "Content-Type: application/json";
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let cases: &[(&str, &[&str], &str)] = &[
        ("length and encoding", &["Content-Length: 4", "Transfer-Encoding: chunked"], smuggled),
        ("encoding and length", &["Transfer-Encoding: chunked", "Content-Length: 4"], smuggled),
        ("two lengths", &["Content-Length: 2", "Content-Length: 3"], "{}x"),
        ("the same length twice", &["Content-Length: 2", "Content-Length: 2"], "{}"),
        ("a list of lengths", &["Content-Length: 2, 2"], "{}"),
        ("a negative length", &["Content-Length: -2"], "{}"),
        ("a signed length", &["Content-Length: +2"], "{}"),
        ("a length that is none", &["Content-Length: two"], "{}"),
        ("an unknown coding", &["Transfer-Encoding: xchunked"], smuggled),
        ("chunked not last", &["Transfer-Encoding: chunked, identity"], smuggled),
        ("two codings", &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], smuggled),
        ("a blank before the colon", &["Transfer-Encoding : chunked"], smuggled),
        ("a chunk size that is none", &["Transfer-Encoding: chunked"], "zz\r\n{}\r\n0\r\n\r\n"),
    ];
    for (name, headers, body) in cases {
        let headers: Vec<_> = [token.as_str(), json, "Idempotency-Key: k"].iter().chain(*headers).copied().collect();
        let answer =
            exchange(stack.gateway, &post_with("/api/v1/transfers", &headers, body)).await.expect("a connection");
        assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name} was read as two requests: {answer}");
    }
    let bare = format!("GET /api/v1/accounts HTTP/1.1\nHost: localhost\n{token}\n\n");
    let answer = exchange(stack.gateway, bare.as_bytes()).await.expect("a connection");
    assert!(answer.starts_with("HTTP/1.1 400"), "bare LF: {answer}");
    assert_eq!(reached(&upstream), 0, "{:?}", upstream.requests());
}

async fn odd_paths_are_refused(backend: Backend) {
    let (stack, upstream, token) = recorded(backend).await;
    for path in [
        "/api/v1/accounts/../users",
        "/api/v1/accounts/%2e%2e/users",
        "/api/v1/accounts/a%2fb",
        "/api/v1/accounts/a%5cb",
        "/api/v1/accounts/a%00b",
        "/api/v1/accounts/./x",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}\r\n\r\n");
        let answer = exchange(stack.gateway, request.as_bytes()).await.expect("a connection");
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("malformed_path"), "{path}: {answer}");
    }
    assert_eq!(reached(&upstream), 0);
}
