//! Clients that wait to be asked for their body.

use super::harness::*;

const WAITS: &str = "Host: x\r\nExpect: 100-continue\r\n";

#[tokio::test]
async fn who_is_refused_is_not_asked_for_a_body() {
    let upstream = Upstream::start().await;
    let route = "[[routes]]\npath = \"/api/t/limited\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\nlimits = [\"one\"]\n\
                 [[rate_limit.policies]]\nname = \"one\"\nkey = \"all\"\nquota = 1\nwindow = \"1h\"\nburst = 1\n\
                 [[rate_limit.policies]]\nname = \"address\"\nkey = \"address\"\nquota = 100\nwindow = \"1m\"\nburst = 200\n";
    let route = format!("rate_limit.roles = []\n{route}");
    let gate = Gate::start(upstream.addr(), &route).await;
    let spent = gate.get("/api/t/limited");
    tokio::join!(spent, async {
        let (mut stream, _) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    });
    for (path, framing, status) in [
        ("/api/users/me", "Content-Length: 5", 401),
        ("/api/t/x", "Content-Length: 100001", 413),
        ("/api/t/limited", "Content-Length: 5", 429),
        ("/nothing", "Transfer-Encoding: chunked", 404),
        ("/livez", "Transfer-Encoding: chunked", 405),
    ] {
        let mut client = gate.connect().await;
        write(&mut client, &format!("POST {path} HTTP/1.1\r\n{WAITS}{framing}\r\n\r\n")).await;
        let answer = read_until(&mut client, |text| text.ends_with('}')).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "what would come next is not known: {answer}");
    }
}

#[tokio::test]
async fn who_is_let_in_is_asked_when_the_body_is_wanted() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    // Held whole, and streamed.
    for (framing, body) in [("Content-Length: 5", "first"), ("Transfer-Encoding: chunked", "5\r\nfirst\r\n0\r\n\r\n")] {
        write(&mut client, &format!("POST /api/t/up HTTP/1.1\r\n{WAITS}{framing}\r\n\r\n")).await;
        assert_eq!(read_head(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
        write(&mut client, body).await;
        let (mut stream, mut got) = upstream.accept().await;
        if !got.contains("first") {
            got += &read_until(&mut stream, |text| text.contains("first")).await;
        }
        assert!(!got.to_lowercase().contains("expect"), "{got}");
        write(&mut stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        let answer = read_until(&mut client, |text| text.ends_with("ok")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn who_expects_something_and_has_no_body_keeps_the_connection() {
    let gate = Gate::start(dead().await, "").await;
    let mut client = gate.connect().await;
    for _ in 0..2 {
        write(&mut client, &format!("GET /livez HTTP/1.1\r\n{WAITS}\r\n")).await;
        let answer = read_until(&mut client, |text| text.ends_with('}')).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("connection: close"), "{answer}");
    }
}
