//! Many connections and slow ones: each has its limit, and nobody waits for somebody else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{Gate, Upstream, dead, read_all, read_head, within, write};

const GET: &str = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";

async fn metrics(gate: &Gate) -> String {
    gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap()
}

/// Waits until a scrape has this line.
async fn shows(gate: &Gate, line: &str) {
    within(async { while !metrics(gate).await.lines().any(|text| text == format!("tollgate_gateway_{line}")) {} })
        .await;
}

#[tokio::test]
async fn hundreds_who_hardly_speak_keep_nobody_waiting() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "server.header_timeout = \"60s\"\n").await;
    let mut slow = Vec::new();
    for i in 0..500 {
        let mut stream = gate.connect().await;
        // Some say nothing, some stop in the head, some in the body.
        let said =
            ["", "GET /api/t/x HT", "POST /api/t/x HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n{"][i % 3];
        within(stream.write_all(said.as_bytes())).await.unwrap();
        slow.push(stream);
    }
    shows(&gate, "connections 500").await;
    for _ in 0..50 {
        let mut client = gate.connect().await;
        write(&mut client, GET).await;
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    drop(slow);
    shows(&gate, "connections 0").await;
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let gate = Gate::start(dead().await, "server.max_connections_per_address = 3\n").await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = gate.connect().await;
        write(&mut client, GET).await;
        read_head(&mut client).await;
        open.push(client);
    }
    let refused = read_all(&mut gate.connect().await).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1\r\n"), "{refused}");
    assert!(refused.contains("\"overloaded\"") && refused.contains("x-request-id: "), "{refused}");
    shows(&gate, "connections_refused_total{reason=\"address\"} 1").await;
    open.pop();
    shows(&gate, "connections 2").await;
    let mut client = gate.connect().await;
    write(&mut client, GET).await;
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"), "a place that is given back is free");
}

#[tokio::test]
async fn there_are_so_many_connections_in_all_also_of_trusted_proxies() {
    let more = "server.max_connections = 2\nserver.max_connections_per_address = 1\nserver.trusted_proxies = [\"127.0.0.1\"]\n";
    let gate = Gate::start(dead().await, more).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut client = gate.connect().await;
        write(&mut client, GET).await;
        assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"));
        open.push(client);
    }
    assert!(read_all(&mut gate.connect().await).await.starts_with("HTTP/1.1 503 "));
    shows(&gate, "connections_refused_total{reason=\"total\"} 1").await;
    assert!(metrics(&gate).await.contains("requests_total"), "operators have their own door");
}

#[tokio::test]
async fn a_body_that_stalls_is_a_408_for_small_and_streamed_ones() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "server.body_timeout = \"300ms\"\n").await;
    for length in [100, 90_000] {
        let mut client = gate.connect().await;
        write(&mut client, &format!("POST /api/t/x HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{{")).await;
        let answer = read_all(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{length}: {answer}");
    }
    shows(&gate, "slow_clients_total{waited_for=\"body\"} 2").await;
}

#[tokio::test]
async fn an_upstream_that_takes_its_time_makes_no_client_slow() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "server.body_timeout = \"300ms\"\nupstream.buffer_bytes = 0\n").await;
    let mut client = gate.connect().await;
    write(&mut client, "POST /api/t/x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello").await;
    let (mut stream, _) = upstream.accept().await;
    // Longer than a client would be waited for: the next that it says is its answer.
    let early = tokio::time::timeout(std::time::Duration::from_secs(1), client.read(&mut [0; 16])).await;
    assert!(early.is_err(), "nothing is said before the upstream has answered");
    write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn who_is_asked_for_a_body_is_waited_for_from_then_on() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "server.body_timeout = \"300ms\"\n").await;
    let mut client = gate.connect().await;
    write(&mut client, "POST /api/t/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(read_head(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
    let answer = read_all(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
