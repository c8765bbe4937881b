//! What an upstream learns of a request's way.

use super::harness::*;

const TRUSTING: &str = "server.trusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]";

/// The head that the upstream gets, and the answer that the client does.
async fn told(settings: &str, lines: &str) -> (String, String) {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), settings).await;
    let mut client = gate.connect().await;
    write(&mut client, &format!("GET /api/t/x HTTP/1.1\r\nHost: gate.example\r\nConnection: close\r\n{lines}\r\n"))
        .await;
    let (mut stream, head) = upstream.accept().await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    (head, read_all(&mut client).await)
}

#[tokio::test]
async fn the_way_over_trusted_proxies_is_kept_and_a_strangers_words_are_not() {
    let lines = "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n\
                 Forwarded: for=6.6.6.6\r\n";
    let (head, answer) = told(TRUSTING, lines).await;
    for line in [
        "x-forwarded-for: 192.0.2.1, 10.1.1.1, 127.0.0.1\r\n",
        "x-forwarded-proto: https\r\n",
        "x-forwarded-host: a.example\r\n",
        "x-forwarded-port: 443\r\n",
    ] {
        assert!(head.contains(line), "{line}: {head}");
    }
    assert!(!head.contains("6.6.6.6") && answer.contains("strict-transport-security"), "{head}");

    let (head, _) = told("", lines).await;
    assert!(
        head.contains("x-forwarded-for: 127.0.0.1\r\n") && head.contains("x-forwarded-host: gate.example\r\n"),
        "{head}"
    );
    assert!(!head.contains("6.6.6.6") && !head.contains("192.0.2.1") && !head.contains("forwarded: for"), "{head}");
}

#[tokio::test]
async fn the_standard_header_is_understood_and_spoken() {
    let settings = format!(
        "{TRUSTING}\nforwarding.trust = \"forwarded\"\nforwarding.send = \"forwarded\"\nforwarding.via = \"edge\""
    );
    let lines = "Forwarded: for=6.6.6.6, for=\"[2001:db8::1]:99\";proto=https;host=\"a.example:8443\"\r\nX-Forwarded-For: 6.6.6.6\r\n\
                 Via: 1.1 outer\r\n";
    let (head, answer) = told(&settings, lines).await;
    let way = "forwarded: for=\"[2001:db8::1]\";host=\"a.example:8443\";proto=https, for=127.0.0.1\r\n";
    assert!(head.contains(way) && head.contains("via: 1.1 outer\r\nvia: 1.1 edge\r\n"), "{head}");
    assert!(!head.contains("x-forwarded") && !head.contains("6.6.6.6"), "{head}");
    assert!(answer.contains("via: 1.1 edge\r\n"), "{answer}");
}
