//! What every answer carries, what is refused at the border, and what an upstream gets to see.

use serde_json::Value;
use shared::auth::{HEADER as ASSERTION, Verifier};
use shared::clock::Clock;
use shared::config::Secret;

use super::harness::*;

/// Sends bytes on a connection of their own and reads until the other side closes it.
async fn raw(gate: &Gate, request: &str) -> String {
    let mut client = gate.connect().await;
    write(&mut client, request).await;
    read_all(&mut client).await
}

#[tokio::test]
async fn every_answer_says_the_same_things_about_itself() {
    let gate = Gate::start(dead().await, "").await;
    for path in [
        "/api/v1/users/me",
        "/api/v2/nothing",
        "/nothing",
        "/livez",
        "/docs/problems",
        "/redoc",
        "/openapi.json",
        "/api/v9/x",
    ] {
        let answer = gate.get(path).await;
        let headers = answer.headers().clone();
        for name in [
            "x-request-id",
            "api-version",
            "server-timing",
            "x-content-type-options",
            "referrer-policy",
            "content-security-policy",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
        ] {
            assert!(headers.contains_key(name), "{path} lacks {name}");
        }
        assert!(headers["server-timing"].to_str().unwrap().starts_with("total;dur="));
        let counted = path.starts_with("/api") || path == "/nothing";
        assert_eq!(headers.contains_key("ratelimit") && headers.contains_key("ratelimit-policy"), counted, "{path}");
        if answer.status().is_client_error() {
            assert_eq!(headers["cache-control"], "no-store");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["request_id"], headers["x-request-id"].to_str().unwrap());
            assert_eq!(body["instance"], path);
        }
    }
    assert_eq!(gate.get("/api/v2/users/me").await.headers()["api-version"], "v2");
    let own = gate.client.get(gate.url("/livez")).header("x-request-id", "mine-1").send().await.unwrap();
    assert_eq!(own.headers()["x-request-id"], "mine-1");
}

#[tokio::test]
async fn what_is_refused_at_the_border_is_a_problem_with_its_status() {
    let gate = Gate::start(dead().await, "").await;
    let get = |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n");
    for (request, status, code) in [
        (get("/api/../x", ""), 400, "malformed_path"),
        (get("/api/%2e%2e/x", ""), 400, "malformed_path"),
        (get("/api/a%2fb", ""), 400, "malformed_path"),
        (get("/api/a%00", ""), 400, "malformed_path"),
        (get("//api", ""), 400, "malformed_path"),
        (get("/api/v1/users/me?version=2", ""), 400, "version_conflict"),
        (get("/api/v7/users/me", ""), 400, "unsupported_version"),
        (get(&format!("/{}", "x".repeat(9_000)), ""), 414, "uri_too_long"),
        (get("/", &"X-A: 1\r\n".repeat(65)), 431, "headers_too_large"),
        (get("/", &format!("X-A: {}\r\n", "y".repeat(40_000))), 431, "headers_too_large"),
        (get("/nothing", ""), 404, "not_found"),
        (get("/api/users/me", ""), 401, "token_required"),
        (get("/api/users/me", "Authorization: Bearer a.b.c\r\n"), 401, "token_invalid"),
        (get("/api/t/x", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), 400, "malformed_request"),
        ("PUT /.well-known/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), 404, "not_found"),
        ("DELETE /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), 405, "method_not_allowed"),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), 400, "malformed_request"),
    ] {
        let answer = raw(&gate, &request).await;
        let line = request.lines().next().unwrap().chars().take(60).collect::<String>();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{line}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("x-request-id: "), "{line}");
    }
}

#[tokio::test]
async fn an_upstream_sees_who_calls_from_the_gateway_alone() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let sent = gate
        .client
        .get(gate.url("/api/t/who?version=2&q=a%20b"))
        .header("x-tollgate-assertion", "forged")
        .header("x-user-id", "1")
        .header("x-forwarded-for", "6.6.6.6")
        .header("authorization", "Bearer stolen")
        .header("x-request-id", "r-1")
        .header("accept-encoding", "gzip")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .send();
    let (answer, head) = tokio::join!(sent, async {
        let (mut stream, head) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Encoding: gzip\r\nVary: Accept\r\nContent-Length: 4\r\n\r\n\x1f\x08ab").await;
        head
    });
    assert!(head.starts_with("GET /api/v2/t/who?q=a%20b HTTP/1.1\r\n"), "{head}");
    let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned);
    for name in ["authorization", "x-user-id", "api-version", "content-length", "transfer-encoding"] {
        assert_eq!(value(name), None, "{name}");
    }
    assert_eq!(value("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(value("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(value("x-forwarded-port"), Some(gate.addr.port().to_string()));
    assert_eq!(value("x-forwarded-host"), Some(gate.addr.to_string()));
    assert_eq!(value("x-request-id").as_deref(), Some("r-1"));
    assert_eq!(value("accept-encoding").as_deref(), Some("identity"), "the gateway compresses");
    assert_eq!(value("traceparent").as_deref(), Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    let verifier = Verifier::new(&Secret::from(SECRET.to_owned()), "raw", Clock::system()).unwrap();
    let caller = verifier.verify(&value(ASSERTION).unwrap(), "GET", "/api/v2/t/who").unwrap();
    assert_eq!((caller.user, caller.client_ip), (None, Some([127, 0, 0, 1].into())));

    let answer = answer.unwrap();
    assert_eq!(answer.status(), 302, "redirects are the client's to follow");
    let vary: Vec<_> = answer.headers().get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(vary, ["Accept", "API-Version, X-API-Version"]);
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(&answer.bytes().await.unwrap()[..], b"\x1f\x08ab", "nothing is unpacked on the way");
}

#[tokio::test]
async fn head_has_gets_length_and_no_body() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let asked = raw(&gate, "HEAD /api/t/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let (answer, ()) = tokio::join!(asked, async {
        let (mut stream, _) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
    });
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("content-length: 1234\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_refusal_does_not_cost_a_small_upload_its_connection() {
    let gate = Gate::start(dead().await, "").await;
    let mut client = gate.connect().await;
    for _ in 0..3 {
        write(&mut client, "POST /api/users/me HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").await;
        let answer = read_until(&mut client, |text| text.ends_with('}')).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && !answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn ten_of_two_hundred_pass_a_limit_of_ten() {
    let upstream = Upstream::start().await;
    let route = "[[routes]]\npath = \"/api/t/limited\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\nlimits = [\"sign_in\"]\n";
    let gate = Gate::start(upstream.addr(), route).await;
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = upstream.accept().await;
            write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
    });
    let answers = futures_util::future::join_all((0..200).map(|_| gate.get("/api/t/limited"))).await;
    let passed = answers.iter().filter(|answer| answer.status() == 200).count();
    assert_eq!(passed, 10);
    for refused in answers.iter().filter(|answer| answer.status() != 200) {
        assert_eq!(refused.status(), 429);
        assert!(refused.headers().contains_key("retry-after"));
        assert!(refused.headers()["ratelimit"].to_str().unwrap().starts_with("\"sign_in\";r=0;t="));
    }
    serving.abort();
}

#[tokio::test]
async fn documents_have_what_their_pages_need() {
    let gate = Gate::start(dead().await, "").await;
    for (path, kind, policy) in [
        ("/docs/", "text/html", "script-src 'self'"),
        ("/docs/swagger-ui-bundle.js", "text/javascript", "script-src 'self'"),
        ("/redoc", "text/html", "worker-src blob:"),
        ("/redoc/redoc.standalone.js", "text/javascript", "worker-src blob:"),
        ("/docs/problems", "text/html", "default-src 'none'"),
    ] {
        let answer = gate.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with(kind), "{path}");
        assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains(policy), "{path}");
        assert!(!answer.text().await.unwrap().is_empty());
    }
    let document: Value = gate.get("/openapi.json?version=v2").await.json().await.unwrap();
    assert_eq!((document["openapi"].as_str(), document["info"]["version"].as_str()), (Some("3.1.0"), Some("v2")));
    let redoc = gate.get("/redoc?version=v2").await.text().await.unwrap();
    assert!(redoc.contains("spec-url=\"/openapi.json?version=v2\""), "{redoc}");
    assert_eq!(gate.get("/openapi.json?version=v9").await.status(), 400);
    assert_eq!(gate.get("/docs/nothing.js").await.status(), 404);
}

#[tokio::test]
async fn probes_tell_the_world_little_and_operators_all() {
    let gate = Gate::start(dead().await, "").await;
    assert_eq!(gate.get("/livez").await.status(), 200);
    let public = gate.get("/readyz").await;
    assert_eq!(public.status(), 503);
    assert!(!public.text().await.unwrap().contains("jwks"));
    let admin = gate.client.get(format!("http://{}/readyz", gate.admin)).send().await.unwrap();
    assert_eq!(admin.status(), 503);
    let body: Value = admin.json().await.unwrap();
    let names: Vec<_> =
        body["dependencies"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["users", "accounts", "jwks", "revocations"]);
    let metrics = gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap();
    for name in [
        "requests_total",
        "request_duration_seconds_bucket",
        "in_flight",
        "breaker_state",
        "token_cache_total",
        "rate_limit_degraded_total",
    ] {
        assert!(metrics.contains(&format!("tollgate_gateway_{name}")), "{name}");
    }
    gate.handle.stop(std::time::Duration::from_secs(1)).await;
    assert!(tokio::net::TcpStream::connect(gate.addr).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_version_that_ends_says_so_and_then_is_gone() {
    let upstream = Upstream::start().await;
    let versions = "[[versions.served]]\nname = \"v1\"\ndeprecation = \"2026-01-01T00:00:00Z\"\nsunset = \"2999-01-01T00:00:00Z\"\nsuccessor = \"v2\"\n\
                    [[versions.served]]\nname = \"v2\"\n[[versions.served]]\nname = \"v3\"\nsunset = \"2020-01-01T00:00:00Z\"\n";
    let gate = Gate::start(upstream.addr(), versions).await;
    let (answer, head) = tokio::join!(gate.get("/api/t/x"), async {
        let (mut stream, head) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        head
    });
    assert!(head.starts_with("GET /api/v1/t/x "));
    assert_eq!(answer.headers()["deprecation"], "@1767225600");
    assert_eq!(answer.headers()["sunset"], "Tue, 01 Jan 2999 00:00:00 GMT");
    assert_eq!(answer.headers()["link"], "</api/v2/t/x>; rel=\"successor-version\"");
    let gone = gate.get("/api/v3/t/x").await;
    assert_eq!((gone.status().as_u16(), gone.headers()["api-version"].to_str().unwrap()), (410, "v3"));
    let view = gate.client.get(format!("http://{}/admin/api/versions", gate.admin)).send().await.unwrap();
    let view: Value = view.json().await.unwrap();
    assert_eq!(
        (&view["data"][0]["status"], &view["data"][2]["status"]),
        (&Value::from("deprecated"), &Value::from("gone"))
    );
    assert_eq!(
        (&view["data"][0]["callers"][0]["caller"], &view["data"][0]["callers"][0]["calls"]),
        (&Value::from("127.0.0.1"), &Value::from(1))
    );
}

#[tokio::test]
async fn what_is_no_http_gets_a_problem_all_the_same() {
    let gate = Gate::start(dead().await, "").await;
    for bytes in [
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET /livez HTTP/1.1\nHost: x\n\n",
        "POST /api/t/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
    ] {
        let answer = raw(&gate, bytes).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"code\":\"malformed_request\""),
            "{bytes}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{bytes}: {answer}");
    }
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X-A: 1\r\n".repeat(120));
    assert!(raw(&gate, &many).await.contains("application/problem+json"));
}

#[tokio::test]
async fn options_and_refused_methods_name_what_the_resource_has() {
    let gate = Gate::start(
        dead().await,
        "[[routes]]\npath = \"/api/o/own\"\nmethods = [\"GET\", \"PATCH\"]\nupstream = \"raw\"\n",
    )
    .await;
    for (method, path, status, allow) in [
        ("OPTIONS", "/api/v1/o/own", 204, "GET, HEAD, PATCH, OPTIONS"),
        ("TRACE", "/api/v1/o/own", 405, "GET, HEAD, PATCH, OPTIONS"),
        ("DELETE", "/api/v1/o/own", 405, "GET, HEAD, PATCH, OPTIONS"),
        ("TRACE", "/api/v1/t/other", 405, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    ] {
        let answer = gate.client.request(method.parse().unwrap(), gate.url(path)).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.headers()["allow"].to_str().unwrap()),
            (status, allow),
            "{method}"
        );
        assert!(answer.headers().contains_key("ratelimit"), "{method} is counted");
    }
}

#[tokio::test]
async fn what_the_parser_refuses_says_the_same_things_too() {
    let gate = Gate::start(dead().await, "").await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(50_000));
    for (request, status, code) in [
        ("GET / HTTP/1.1\nHost: x\n\n", 400, "malformed_request"),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "malformed_request"),
        (&long, 414, "uri_too_long"),
    ] {
        let answer = raw(&gate, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(code), "{answer}");
        for name in ["x-request-id: ", "api-version: v1", "server-timing: total;dur=", "referrer-policy: "] {
            assert!(answer.contains(name), "{answer} lacks {name}");
        }
    }
}

#[tokio::test]
async fn an_oauth_endpoint_keeps_its_error_member_whoever_refuses() {
    let gate = Gate::start(
        dead().await,
        "[[routes]]\npath = \"/api/t/token\"\nupstream = \"raw\"\nauth = \"none\"\noauth = true\nbody = 10\n",
    )
    .await;
    let post = |body: &'static str| gate.client.post(gate.url("/api/v1/t/token")).body(body).send();
    for (body, status, error) in
        [("far too long a body", 413, "invalid_request"), ("short", 503, "temporarily_unavailable")]
    {
        let answer = post(body).await.unwrap();
        assert_eq!(answer.status(), status);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], error, "{body}");
    }
}

#[tokio::test]
async fn a_later_head_has_no_longer_to_come_than_the_first() {
    // The parser's own clock ticks twice a second: less than that is over before it began.
    let gate = Gate::start(dead().await, "server.header_timeout = \"1s\"").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    read_head(&mut client).await;
    write(&mut client, "G").await;
    let answer = read_all(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
}

#[tokio::test]
async fn nobody_holds_a_connection_with_next_to_nothing() {
    let gate = Gate::start(dead().await, "server.header_timeout = \"1s\"\nserver.keep_alive = \"300ms\"").await;
    let mut idle = gate.connect().await;
    write(&mut idle, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    read_until(&mut idle, |text| text.ends_with('}')).await;
    write(&mut idle, "\r\n").await;
    assert_eq!(read_all(&mut idle).await, "", "an empty line is no request");
    let unwanted = raw(&gate, "POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab").await;
    assert!(unwanted.starts_with("HTTP/1.1 404 "), "answered, and then closed: {unwanted}");
}

#[tokio::test]
async fn who_closes_right_after_asking_is_still_answered() {
    let gate = Gate::start(dead().await, "").await;
    let mut client = gate.connect().await;
    write(&mut client, "\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client).await.unwrap();
    assert!(read_all(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_one_by_one() {
    let gate = Gate::start(dead().await, "").await;
    let ask = |method: &str| format!("{method} /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    for (first, second) in [("GET", "HEAD"), ("HEAD", "GET")] {
        let mut client = gate.connect().await;
        write(&mut client, &[ask(first), ask(second), "GET /livez HTTP/1.0\r\nHost: x\r\n\r\n".to_owned()].concat())
            .await;
        let answers = read_all(&mut client).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{first} {second}: {answers}");
        let bodies: Vec<_> = answers.split("HTTP/1.").skip(1).map(|answer| answer.ends_with('}')).collect();
        assert_eq!(bodies, [first == "GET", second == "GET", true], "{first} {second}: {answers}");
    }
}

#[tokio::test]
async fn a_websocket_that_brings_a_body_and_a_trailer_that_ends_badly_are_refused() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let websocket =
        "POST /api/t/up HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n{";
    let trailer = "POST /api/t/up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: y\n\r\n";
    for request in [websocket, trailer] {
        let answer = raw(&gate, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("malformed_request"), "{request}: {answer}");
    }
}
