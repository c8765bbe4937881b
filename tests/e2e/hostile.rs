//! Values chosen to hurt: whatever they are, the answer is a problem or the value comes back as it was.

use reqwest::Method;
use serde_json::json;
use tests::client::{Transfer, fresh_key, newcomer};
use tests::faults::exchange;
use tests::{Backend, Stack};

journeys!(texts_that_hurt, bodies_that_hurt, queries_and_headers_that_hurt, a_client_that_goes_away);

const TEXTS: &[&str] = &[
    "Robert'); DROP TABLE users;--",
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "$1",
    "%s%n",
    "{{7*7}}",
    "${jndi:ldap://x}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "C:\\nul",
    "null",
    "undefined",
    "NaN",
    "Ω≈ç√∫˜µ≤≥÷",
    "田中さん",
    "\u{202e}gnp.exe",
    "Z̤͔ͧ̑̓ä͖̭̈̇lğ̬̙o",
    "👩‍👩‍👧‍👦",
    "مرحبا",
    "\u{feff}bom",
    "a\u{0}b",
    "a\u{1b}[31mb",
    "a\r\nX-Injected: yes",
    "\u{ffff}",
    "\u{200b}",
];

async fn texts_that_hurt(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 10_000).await, stack.account_with(&ann, 0).await);
    let unharmed = |answer: &tests::Answer, pointer: &str, text: &str| match answer.status {
        200 | 201 => assert_eq!(answer.text(pointer), text, "{answer}"),
        422 => drop(answer.problem(422, "validation_failed")),
        _ => panic!("{text:?}: {answer}"),
    };
    for text in TEXTS {
        unharmed(&ann.client.patch("/api/v1/users/me", json!({"name": text})).await, "/name", text);
        unharmed(&ann.client.post("/api/v1/accounts", json!({"name": text, "currency": "USD"})).await, "/name", text);
        let mut transfer = serde_json::to_value(Transfer::usd(&from, &to, 1)).expect("JSON");
        transfer["description"] = json!(text);
        transfer["metadata"] = json!({"note": text});
        let sent = ann.client.call(Method::POST, "/api/v1/transfers").key(&fresh_key()).json(transfer).send().await;
        unharmed(&sent, "/description", text);
        let mut body = newcomer("x");
        body["username"] = json!(text);
        let registered = stack.client().post("/api/v1/users", body).await;
        assert!([201, 409, 422].contains(&registered.status), "{text:?}: {registered}");
        let signed_in = stack.client().password_grant(text, text).await;
        assert_eq!(signed_in.status, 400, "{text:?}: {signed_in}");
    }
    assert_eq!(stack.administrator().await.client.get("/api/v1/users").await.status, 200, "the tables are still there");
}

async fn bodies_that_hurt(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let huge = "9".repeat(100_000);
    let bodies: Vec<(String, &[u16])> = vec![
        (r#"{"name": "\ud800", "currency": "USD"}"#.to_owned(), &[400, 422]),
        (r#"{"name": "a", "name": "b", "currency": "USD"}"#.to_owned(), &[400, 422]),
        (format!(r#"{{"name": {huge}, "currency": "USD"}}"#), &[400, 413, 422]),
        (r#"{"name": 1e999999, "currency": "USD"}"#.to_owned(), &[400, 422]),
        (r#"{"__proto__": {"admin": true}, "name": "a", "currency": "USD"}"#.to_owned(), &[422]),
        (
            format!(r#"{{"name": "a", "currency": "USD", "x": {}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000)),
            &[400, 422],
        ),
        (
            format!(
                r#"{{{}"name": "a", "currency": "USD"}}"#,
                (0..20_000).map(|n| format!("\"k{n}\":1,")).collect::<String>()
            ),
            &[413, 422],
        ),
        (" ".repeat(900_000) + r#"{"name": "a""#, &[400, 413]),
        ("\u{0}".repeat(100), &[400]),
    ];
    for (body, statuses) in bodies {
        let shown: String = body.chars().take(60).collect();
        for path in ["/api/v1/accounts", "/api/v1/transfers", "/api/v1/users"] {
            let answer =
                ann.call(Method::POST, path).key(&fresh_key()).body("application/json", body.clone()).send().await;
            assert!(statuses.contains(&answer.status), "{path} {shown}: {answer}");
            drop(answer.is_problem());
            assert!(answer.body.len() < 64 * 1024, "the problem does not echo everything: {shown}");
        }
    }
    assert_eq!(ann.get("/api/v1/accounts").await.expect(200).int("/meta/total"), 0);
}

async fn queries_and_headers_that_hurt(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, root) = (stack.register("ann").await.client, stack.administrator().await.client);
    for query in [
        "q=%00",
        "q=%ff%fe",
        "q=%",
        "q=%zz",
        "q=a&q=b",
        "q[]=1",
        "&&&",
        "=",
        &format!("q={}", "x".repeat(5_000)),
        "sort_by=1;--",
        "q=%F0%9F%92%A5",
    ] {
        let answer = root.get(&format!("/api/v1/users?{query}")).await;
        assert!([200, 400, 422].contains(&answer.status), "{query}: {answer}");
        if answer.status != 200 {
            drop(answer.is_problem());
        }
    }
    let token = ann.token().expect("signed in");
    for header in [
        "If-Match: \u{1}",
        "If-None-Match: \"",
        "Accept: ???",
        "X-Request-Id: \u{e9}",
        "Idempotency-Key: \u{e9}",
        "Content-Type: ;;;",
        "Traceparent: zz",
        "X-Forwarded-For: ,,,",
        "Cookie: \"",
        "Range: bytes=9-1",
    ] {
        let request = format!(
            "GET /api/v1/users/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{header}\r\n\r\n"
        );
        let answer = exchange(stack.gateway, request.as_bytes()).await.expect("a connection");
        let status: u16 =
            answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{header}: {answer}"));
        assert!([200, 304, 400, 406, 412].contains(&status), "{header}: {answer}");
    }
    for host in ["", "a b", "evil.example/..", "x:99999"] {
        let request = format!("GET /api/v1/users/me HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(stack.gateway, request.as_bytes()).await.expect("a connection");
        assert!(answer.starts_with("HTTP/1.1 4"), "{host}: {answer}");
    }
}

async fn a_client_that_goes_away(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 1_000).await, stack.account_with(&ann, 0).await);
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let (client, transfer) = (ann.client.clone(), Transfer::usd(&from, &to, 1));
            tokio::spawn(async move { client.transfer(&format!("gone-{number}"), &transfer).await.status })
        })
        .collect();
    tests::wait_until("some are under way", std::time::Duration::from_secs(10), async || {
        (ann.client.balance(&to).await > 0).then_some(())
    })
    .await;
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    // Asked again, each is there once.
    for number in 0..50 {
        drop(ann.client.transfer(&format!("gone-{number}"), &Transfer::usd(&from, &to, 1)).await.expect(201));
    }
    assert_eq!((ann.client.balance(&from).await, ann.client.balance(&to).await), (950, 50));
}
