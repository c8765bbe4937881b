//! Bodies flow both ways while they are being made; whoever goes away takes the other side along.

use super::harness::*;

#[tokio::test]
async fn an_upload_reaches_the_upstream_before_it_is_complete() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "POST /api/t/up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let (mut stream, head) = upstream.accept().await;
    assert!(head.starts_with("POST /api/v1/t/up HTTP/1.1\r\n"), "{head}");
    if !head.contains("first") {
        assert!(read_until(&mut stream, |text| text.contains("first")).await.contains("first"));
    }
    write(&mut client, "6\r\nsecond\r\n0\r\n\r\n").await;
    assert!(read_until(&mut stream, |text| text.contains("second")).await.contains("second"));
    write(&mut stream, "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok").await;
    let answer = read_until(&mut client, |text| text.ends_with("ok")).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
}

#[tokio::test]
async fn a_large_upload_keeps_its_length_and_its_bytes() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let body = "0123456789".repeat(9_000);
    let sent = gate.client.post(gate.url("/api/t/up")).body(body.clone()).send();
    let (answer, received) = tokio::join!(sent, async {
        let (mut stream, head) = upstream.accept().await;
        assert!(head.to_lowercase().contains("content-length: 90000\r\n"), "{head}");
        let mut received = head.split_once("\r\n\r\n").unwrap().1.to_owned();
        let missing = body.len() - received.len();
        received += &read_until(&mut stream, |text| text.len() >= missing).await;
        write(&mut stream, "HTTP/1.1 204 No Content\r\n\r\n").await;
        received
    });
    assert_eq!(answer.unwrap().status(), 204);
    assert!(received == body);
}

#[tokio::test]
async fn an_answer_reaches_the_client_before_it_is_complete() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/down HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let begun = read_until(&mut client, |text| text.contains("first")).await;
    assert!(begun.to_lowercase().contains("transfer-encoding: chunked"), "{begun}");
    write(&mut stream, "6\r\nsecond\r\n0\r\n\r\n").await;
    assert!(read_until(&mut client, |text| text.contains("0\r\n\r\n")).await.contains("second"));
}

#[tokio::test]
async fn a_client_that_goes_away_before_the_answer_cancels_the_call() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    drop(client);
    assert_eq!(read_all(&mut stream).await, "", "the upstream sees its connection closed");
}

#[tokio::test]
async fn a_client_that_goes_away_during_the_answer_cancels_the_call() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    read_until(&mut client, |text| text.contains("first")).await;
    drop(client);
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn a_client_that_goes_away_during_its_upload_cancels_the_call() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "POST /api/t/up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    drop(client);
    let rest = read_all(&mut stream).await;
    assert!(!rest.contains("0\r\n\r\n"), "the upload must not look complete: {rest}");
}

#[tokio::test]
async fn an_upstream_that_breaks_off_mid_answer_breaks_the_clients_too() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/cut HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    drop(stream);
    assert!(!read_all(&mut client).await.contains("0\r\n\r\n"), "a cut answer must not look complete");
}

#[tokio::test]
async fn a_place_is_held_until_the_answers_body_has_ended() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "server.max_in_flight = 1").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/long HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    read_until(&mut client, |text| text.contains("first")).await;
    let refused = gate.get("/api/t/other").await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    write(&mut stream, "0\r\n\r\n").await;
    read_until(&mut client, |text| text.contains("0\r\n\r\n")).await;
    write(&mut client, "GET /api/t/other HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = read_head(&mut stream).await;
    assert!(head.contains("/api/v1/t/other"), "the connection is used again: {head}");
    write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_413_and_never_complete_upstream() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let announced = within(gate.client.post(gate.url("/api/t/up")).body("x".repeat(100_001)).send()).await.unwrap();
    assert_eq!(announced.status(), 413);
    let mut client = gate.connect().await;
    write(&mut client, "POST /api/t/up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let piece = format!("10000\r\n{}\r\n", "y".repeat(65_536));
    write(&mut client, &piece).await;
    let (mut stream, _) = upstream.accept().await;
    let (answer, received) = tokio::join!(
        async {
            write(&mut client, &piece).await;
            read_until(&mut client, |text| text.contains("body_too_large")).await
        },
        read_all(&mut stream)
    );
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("\"code\":\"body_too_large\""), "{answer}");
    assert!(!received.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_end() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/last HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    let handle = gate.handle.clone();
    let stopping = tokio::spawn(async move { handle.stop(std::time::Duration::from_secs(10)).await });
    // Once nobody new is let in, the stop is under way.
    within(async { while tokio::net::TcpStream::connect(gate.addr).await.is_ok() {} }).await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await;
    assert!(read_all(&mut client).await.ends_with("done"));
    within(stopping).await.unwrap();
}

#[tokio::test]
async fn a_304_may_say_the_length_of_what_it_does_not_send() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/same HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"1\"\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(&mut stream, "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 200000\r\n\r\n").await;
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 304 Not Modified\r\n") && head.contains("etag: \"1\"\r\n"), "{head}");
    write(&mut client, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 200 OK\r\n"), "the connection goes on");
}

#[tokio::test]
async fn a_body_that_looks_like_the_parsers_answer_passes_untouched() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let evil = "HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n";
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/file HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(&mut stream, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{evil}", evil.len())).await;
    let answer = read_until(&mut client, |text| text.ends_with(evil)).await;
    assert!(answer.ends_with(&format!("\r\n\r\n{evil}")), "{answer}");
    write(&mut client, "HEAD /api/t/file HTTP/1.1\r\nHost: x\r\n\r\n").await;
    read_head(&mut stream).await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n").await;
    read_head(&mut client).await;
    write(&mut client, "NOT HTTP\r\n\r\n").await;
    assert!(read_all(&mut client).await.contains("malformed_request"), "after HEAD's answer there is no body");
}

#[tokio::test]
async fn a_body_after_100_continue_is_not_taken_for_a_head() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let body = "GET /a HTTP/1.1\nHost: b\n\n";
    let mut client = gate.connect().await;
    let head =
        format!("POST /api/t/up HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len());
    write(&mut client, &head).await;
    read_until(&mut client, |text| text.contains("100 Continue\r\n\r\n")).await;
    write(&mut client, body).await;
    let (mut stream, mut received) = upstream.accept().await;
    if !received.ends_with(body) {
        received += &read_until(&mut stream, |text| text.ends_with(body)).await;
    }
    assert!(received.ends_with(body), "{received}");
}

#[tokio::test]
async fn who_knows_no_chunks_gets_none() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    for request in [
        "GET /api/t/old HTTP/1.0\r\nHost: x\r\n\r\n",
        "GET /api/t/up HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = gate.connect().await;
        write(&mut client, request).await;
        let (mut stream, _) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n").await;
        let answer = read_all(&mut client).await;
        assert!(answer.ends_with("\r\n\r\nfirst") && !answer.to_lowercase().contains("chunked"), "{answer}");
    }
}

#[tokio::test]
async fn chunks_go_before_a_length_and_nothing_hides_behind_either() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    for lengths in
        ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 999"]
    {
        let mut client = gate.connect().await;
        write(&mut client, "GET /api/t/one HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let (mut stream, _) = upstream.accept().await;
        // What follows the last chunk is no answer to anything that was asked.
        let hidden = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden";
        let answer = format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\n5\r\nfirst\r\n0\r\n\r\n{hidden}");
        write(&mut stream, &answer).await;
        let told = read_until(&mut client, |text| text.ends_with("0\r\n\r\n")).await.to_lowercase();
        assert!(
            told.contains("transfer-encoding: chunked") && told.contains("\r\n5\r\nfirst\r\n"),
            "{lengths}: {told}"
        );
        assert!(!told.contains("content-length") && !told.contains("hidden"), "{lengths}: {told}");
        write(&mut client, "GET /api/t/two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let (mut stream, head) = upstream.accept().await;
        assert!(head.contains("/t/two"), "the connection with more on it is not used again: {head}");
        write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond").await;
        let told = read_all(&mut client).await;
        assert!(told.ends_with("second") && !told.contains("hidden"), "{told}");
    }
}
