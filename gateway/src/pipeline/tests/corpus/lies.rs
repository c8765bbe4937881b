//! Upstreams that lie about their answers: nobody gets another's.

use super::*;

/// An upstream whose first connection answers with these bytes and stays; the next ones answer honestly.
async fn after(answer: &'static str) -> (String, String) {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "server.workers = 1").await;
    let serving = tokio::spawn(async move {
        let (mut liar, _) = upstream.accept().await;
        write(&mut liar, answer).await;
        let (mut honest, head) = upstream.accept().await;
        let target = head.split(' ').nth(1).unwrap();
        write(&mut honest, &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len())).await;
        (liar, honest)
    });
    let first = gate.get("/api/t/first").await;
    let first = format!("{} {}", first.status().as_u16(), first.text().await.unwrap_or_default());
    let second = gate.get("/api/t/second").await.text().await.unwrap();
    serving.await.unwrap();
    (first, second)
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_reaches_nobody() {
    let smuggled = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled";
    for (lie, told) in [
        (["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", smuggled].concat(), "200 ok"),
        (["HTTP/1.1 204 No Content\r\n\r\n", smuggled].concat(), "204 "),
        (["HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", smuggled].concat(), "304 "),
        (["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", smuggled].concat(), "200 ok"),
    ] {
        let (first, second) = after(lie.leak()).await;
        assert_eq!((first.as_str(), second.as_str()), (told, "/api/v1/t/second"));
    }
}

#[tokio::test]
async fn an_answer_of_two_lengths_or_none_that_holds_is_502() {
    for lie in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nsmuggled",
        "HTTP/3.0 200 OK\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let (first, second) = after(lie).await;
        assert!(first.starts_with("502 ") && first.contains("bad_gateway"), "{lie}: {first}");
        assert_eq!(second, "/api/v1/t/second", "{lie}");
    }
}
