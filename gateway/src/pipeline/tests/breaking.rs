//! Upstreams that are slow, broken or gone, and the breaker that answers for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::harness::*;

async fn problem(answer: reqwest::Response) -> (u16, String) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    (status, answer.json::<Value>().await.unwrap()["code"].as_str().unwrap().to_owned())
}

async fn breaker(gate: &Gate) -> Value {
    let view = gate.client.get(format!("http://{}/admin/api/breakers", gate.admin)).send().await.unwrap();
    let view: Value = view.json().await.unwrap();
    view["data"].as_array().unwrap().iter().find(|breaker| breaker["upstream"] == "raw").unwrap().clone()
}

#[tokio::test]
async fn the_deadline_is_told_and_kept() {
    let upstream = Upstream::start().await;
    let route = "[[routes]]\npath = \"/api/t/impatient\"\nupstream = \"raw\"\nauth = \"none\"\ntimeout = \"300ms\"\n";
    let gate = Gate::start(upstream.addr(), route).await;
    let (answer, left) = tokio::join!(gate.get("/api/t/impatient"), async {
        let (stream, head) = upstream.accept().await;
        let left = head.lines().find_map(|line| line.strip_prefix("x-tollgate-deadline-ms: ")).unwrap().parse::<u64>();
        (left.unwrap(), stream)
    });
    assert!((1..=300).contains(&left.0), "{}", left.0);
    assert_eq!(problem(answer).await, (504, "gateway_timeout".to_owned()));
}

#[tokio::test]
async fn a_trusted_gateway_before_us_shortens_the_deadline_and_nobody_else_does() {
    let upstream = Upstream::start().await;
    for (trusted, most) in [("", 5_000), ("server.trusted_proxies = [\"127.0.0.1\"]\n", 500)] {
        let breaker = "breaker.consecutive_failures = 1\n";
        let gate = Gate::start(upstream.addr(), &format!("{trusted}{breaker}")).await;
        let asked = gate.client.get(gate.url("/api/t/x")).header("x-tollgate-deadline-ms", "500");
        let (answer, stream) = tokio::join!(asked.send(), async {
            let (mut stream, head) = upstream.accept().await;
            let left = head.lines().find_map(|line| line.strip_prefix("x-tollgate-deadline-ms: ")).unwrap();
            let left = left.parse::<u64>().unwrap();
            assert!(left <= most && (left > 500) == (most > 500), "{left} of {most}");
            if most > 500 {
                write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
            stream
        });
        let answer = answer.unwrap();
        if most > 500 {
            assert_eq!(answer.status(), 200);
        } else {
            assert_eq!(problem(answer).await, (504, "gateway_timeout".to_owned()));
            // Whoever asks for the impossible must not open the breaker for everybody.
            let again = async {
                let (mut stream, _) = upstream.accept().await;
                write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            };
            let (answer, ()) = tokio::join!(gate.get("/api/t/x"), again);
            assert_eq!(answer.status(), 200);
        }
        drop(stream);
    }
}

#[tokio::test]
async fn nobody_there_is_503_and_a_broken_answer_502() {
    let gate = Gate::start(dead().await, "").await;
    let answer = gate.get("/api/t/x").await;
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(problem(answer).await, (503, "upstream_unavailable".to_owned()));

    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "").await;
    let (answer, ()) = tokio::join!(gate.get("/api/t/x"), async {
        let (mut stream, _) = upstream.accept().await;
        write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
    });
    assert_eq!(problem(answer).await, (502, "bad_gateway".to_owned()));
}

#[tokio::test]
async fn an_open_breaker_answers_at_once_and_asks_nobody() {
    let gate = Gate::start(dead().await, "breaker.open_for = \"10s\"\nbreaker.open_at_most = \"10s\"").await;
    for _ in 0..5 {
        gate.get("/api/t/x").await;
    }
    let began = Instant::now();
    let answer = gate.get("/api/t/x").await;
    assert!(began.elapsed() < Duration::from_millis(500));
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((9..=12).contains(&wait), "{wait}");
    assert_eq!(problem(answer).await, (503, "upstream_unavailable".to_owned()));
    let raw = breaker(&gate).await;
    assert_eq!((raw["state"].as_str().unwrap(), raw["trips"].as_u64().unwrap()), ("open", 1));
}

#[tokio::test]
async fn an_open_breaker_s_answer_waits_for_nothing() {
    // Whatever could be waited for takes longer than the test may.
    let endless = "breaker.consecutive_failures = 1\nbreaker.open_for = \"1h\"\nbreaker.open_at_most = \"1h\"\n\
        upstream.retry.attempts = 5\nupstream.retry.backoff = \"1h\"\nupstream.retry.backoff_at_most = \"1h\"\n\
        upstream.connect_timeout = \"1h\"\n[[routes]]\npath = \"/api/t/hedged\"\nupstream = \"raw\"\nauth = \"none\"\n\
        limited = false\nhedge = \"1h\"\ntimeout = \"0s\"\n";
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), endless).await;
    let (broken, _) = tokio::join!(gate.get("/api/t/x"), async { drop(upstream.accept().await) });
    assert_eq!(problem(broken).await, (502, "bad_gateway".to_owned()));
    for _ in 0..50 {
        for path in ["/api/t/x", "/api/t/hedged"] {
            assert_eq!(problem(gate.get(path).await).await, (503, "upstream_unavailable".to_owned()));
        }
    }
    // Not even for the request's body.
    let mut client = gate.connect().await;
    write(&mut client, "POST /api/t/hedged HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n").await;
    assert!(read_until(&mut client, |text| text.ends_with('}')).await.starts_with("HTTP/1.1 503 "));
    assert!(upstream.is_left_alone(), "nobody has asked it");
}

#[tokio::test]
async fn clients_mistakes_do_not_trip_it() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "breaker.consecutive_failures = 2").await;
    let served = tokio::spawn(async move {
        let (mut stream, mut head) = upstream.accept().await;
        while !head.is_empty() {
            write(&mut stream, "HTTP/1.1 422 Unprocessable Entity\r\nContent-Type: application/problem+json\r\nContent-Length: 17\r\n\r\n{\"code\":\"theirs\"}").await;
            head = read_head(&mut stream).await;
        }
    });
    let mut client = gate.connect().await;
    for _ in 0..5 {
        write(&mut client, "GET /api/t/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = read_until(&mut client, |text| text.ends_with('}')).await;
        assert!(
            answer.starts_with("HTTP/1.1 422") && answer.contains("{\"code\":\"theirs\""),
            "passed through untouched: {answer}"
        );
    }
    served.abort();
}

#[tokio::test]
async fn a_client_that_breaks_off_or_stalls_its_upload_is_told_and_not_counted() {
    let upstream = Upstream::start().await;
    let route = "breaker.consecutive_failures = 1\n[[routes]]\npath = \"/api/t/short\"\nupstream = \"raw\"\nauth = \"none\"\ntimeout = \"300ms\"\n";
    let gate = Gate::start(upstream.addr(), route).await;
    let begun = "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";

    let mut broken = gate.connect().await;
    write(&mut broken, &format!("POST /api/t/up HTTP/1.1\r\n{begun}")).await;
    let (_first, _) = upstream.accept().await;
    write(&mut broken, "no length\r\n").await;
    let answer = read_until(&mut broken, |text| text.ends_with('}')).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"code\":\"malformed_request\""), "{answer}");

    let mut stalled = gate.connect().await;
    write(&mut stalled, &format!("POST /api/t/short HTTP/1.1\r\n{begun}")).await;
    let (_second, _) = upstream.accept().await;
    let answer = read_until(&mut stalled, |text| text.ends_with('}')).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"code\":\"request_timeout\""), "{answer}");

    let mut silent = gate.connect().await;
    write(&mut silent, "POST /api/t/short HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab").await;
    let answer = read_until(&mut silent, |text| text.ends_with('}')).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(breaker(&gate).await["state"], "closed");
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_against_its_upstream() {
    let upstream = Upstream::start().await;
    let gate = Gate::start(upstream.addr(), "breaker.consecutive_failures = 1").await;
    let mut client = gate.connect().await;
    write(&mut client, "GET /api/t/cut HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = upstream.accept().await;
    write(&mut stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    drop(stream);
    read_all(&mut client).await;
    assert_eq!(breaker(&gate).await["state"], "open");
}

#[tokio::test]
async fn a_head_without_its_body_is_a_failure() {
    let upstream = Upstream::start().await;
    let route = "breaker.consecutive_failures = 2\n[[routes]]\npath = \"/api/t/short\"\nupstream = \"raw\"\nauth = \"none\"\ntimeout = \"300ms\"\n";
    let gate = Gate::start(upstream.addr(), route).await;
    for (path, code) in [("/api/t/cut", "bad_gateway"), ("/api/t/short", "gateway_timeout")] {
        let (answer, _held) = tokio::join!(gate.get(path), async {
            let (mut stream, _) = upstream.accept().await;
            write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
            (path == "/api/t/short").then_some(stream)
        });
        assert_eq!(problem(answer).await.1, code);
    }
    assert_eq!(breaker(&gate).await["state"], "open", "two in a row");
}

#[tokio::test]
async fn a_stalled_upload_does_not_keep_an_upstream_given_up() {
    let upstream = Mendable::start().await;
    let settings = "breaker.open_for = \"100ms\"\nbreaker.jitter_percent = 0\nbreaker.probes = 1";
    let gate = Gate::start(upstream.addr, settings).await;
    upstream.mend(&gate).await;
    let mut stalled = gate.connect().await;
    write(&mut stalled, "POST /api/t/up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    within(upstream.is_reached(1)).await;
    // Refused while the stalled one is the probe, let through as soon as it has given its place back.
    let releasing = async {
        upstream.is_reached(2).await;
        upstream.release.send(()).unwrap();
    };
    let probing = async { while gate.get("/api/t/x").await.status() != 200 {} };
    within(async { tokio::join!(releasing, probing) }).await;
    assert_eq!(breaker(&gate).await["state"], "closed");
}

#[tokio::test]
async fn five_hundred_requests_at_the_half_open_instant_are_three_probes() {
    let upstream = Mendable::start().await;
    let settings = "breaker.open_for = \"100ms\"\nbreaker.jitter_percent = 0\nbreaker.probes = 3";
    let gate = Arc::new(Gate::start(upstream.addr, settings).await);
    upstream.mend(&gate).await;
    let callers = (0..500).map(|_| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move { gate.get("/api/t/x").await.status().as_u16() })
    });
    // All but the probes are refused while the probes are held; only then are these let go.
    let mut waiting: Vec<_> = callers.collect();
    while waiting.len() > 3 {
        let (status, _, rest) = within(futures_util::future::select_all(waiting)).await;
        assert_eq!(status.unwrap(), 503);
        waiting = rest;
    }
    within(upstream.is_reached(3)).await;
    upstream.release.send(()).unwrap();
    for probe in waiting {
        assert_eq!(within(probe).await.unwrap(), 200);
    }
    assert_eq!(upstream.reached.load(Ordering::SeqCst), 3);
}

/// An upstream that breaks off, until it is mended; then it counts its requests and answers them when it is told to.
struct Mendable {
    addr: std::net::SocketAddr,
    mended: Arc<AtomicBool>,
    reached: Arc<AtomicUsize>,
    release: tokio::sync::broadcast::Sender<()>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Mendable {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (mended, reached) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let release = tokio::sync::broadcast::Sender::<()>::new(1);
        let accepting = tokio::spawn(hold(listener, Arc::clone(&mended), Arc::clone(&reached), release.clone()));
        Self { addr, mended, reached, release, accepting }
    }

    /// Trips the breaker in front of it, mends it, and waits until the breaker will probe: it says itself when.
    async fn mend(&self, gate: &Gate) {
        for _ in 0..5 {
            gate.get("/api/t/x").await;
        }
        self.mended.store(true, Ordering::SeqCst);
        within(async { while breaker(gate).await["probes_in_ms"] != 0 {} }).await;
    }

    async fn is_reached(&self, times: usize) {
        while self.reached.load(Ordering::SeqCst) < times {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Mendable {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn hold(
    listener: tokio::net::TcpListener,
    mended: Arc<AtomicBool>,
    reached: Arc<AtomicUsize>,
    release: tokio::sync::broadcast::Sender<()>,
) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mended, reached, mut released) = (Arc::clone(&mended), Arc::clone(&reached), release.subscribe());
        tokio::spawn(async move {
            if !read_head(&mut stream).await.is_empty() && mended.load(Ordering::SeqCst) {
                reached.fetch_add(1, Ordering::SeqCst);
                released.recv().await.unwrap();
                write(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
            }
        });
    }
}
