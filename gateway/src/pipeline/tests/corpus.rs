//! A corpus of raw requests that two parsers could read differently. For each: what the client is told, what the upstream
//! saw of it, byte by byte, and that nobody else's answer is disturbed afterwards.

mod chunks;
mod framing;
mod heads;
mod lies;
mod paths;
mod recorder;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::harness::*;
use recorder::{Recorder, Seen};

/// One raw request and what must come of it.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    then: Then,
}

/// What must come of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It is answered with this status, once, and the upstream sees nothing.
    Refused(u16),
    /// So many requests reach the upstream and are answered, one by one.
    Passes(usize),
}

/// A request with this first line and these lines behind it.
fn request(line: &str, rest: &str) -> Vec<u8> {
    format!("{line}\r\n{rest}").into_bytes()
}

/// A POST with these lines, which end the head themselves, to the recorder.
fn post(rest: &str) -> Vec<u8> {
    request("POST /api/t/up HTTP/1.1\r\nHost: x", rest)
}

/// A GET of this target.
fn get(target: &str) -> Vec<u8> {
    request(&format!("GET {target} HTTP/1.1"), "Host: x\r\nConnection: close\r\n\r\n")
}

fn refused(name: &'static str, status: u16, bytes: impl Into<Vec<u8>>) -> Case {
    Case { name, bytes: bytes.into(), then: Then::Refused(status) }
}

fn passes(name: &'static str, requests: usize, bytes: impl Into<Vec<u8>>) -> Case {
    Case { name, bytes: bytes.into(), then: Then::Passes(requests) }
}

/// The longest request that is sent byte by byte.
const DRIBBLED: usize = 1_000;

/// What a smuggler wants to be taken for a request of its own.
const SMUGGLED: &str = "GET /api/t/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// In one write, and byte by byte: nobody's reading may depend on how the bytes are cut.
async fn run(cases: impl Fn() -> Vec<Case>) {
    run_in(cases(), usize::MAX).await;
    run_in(cases().into_iter().filter(|case| case.bytes.len() <= DRIBBLED).collect(), 1).await;
}

async fn run_in(cases: Vec<Case>, piece: usize) {
    let recorder = Recorder::start().await;
    let gate = Gate::start(recorder.addr, "rate_limit.enabled = false").await;
    for (number, case) in cases.into_iter().enumerate() {
        let name = case.name;
        let answers = converse(&gate, &case.bytes, piece).await;
        let seen = recorder.take();
        match case.then {
            Then::Refused(status) => {
                assert!(answers.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answers}");
                assert!(answers.contains("application/problem+json"), "{name}: {answers}");
                assert_eq!(count(&answers), 1, "{name} was read as two requests: {answers}");
                // Where a body breaks its framing late, its beginning may have been on its way already; its end never is.
                let begun = seen.iter().all(|seen| !seen.is_whole && seen.head.contains("chunked"));
                assert!(begun && seen.len() <= 1, "{name} reached the upstream: {seen:?}");
                assert!(!format!("{seen:?}").contains("smuggled"), "{name}: {seen:?}");
            }
            Then::Passes(requests) => {
                assert_eq!(count(&answers), requests, "{name}: {answers}");
                assert_eq!(answers.matches(" 200 OK\r\n").count(), requests, "{name}: {answers}");
                assert!(seen.len() == requests && seen.iter().all(|seen| seen.is_whole), "{name}: {seen:?}");
            }
        }
        for request in seen.iter().filter(|seen| seen.is_whole) {
            check_framing(name, request);
        }
        // Nobody else gets an answer that was made for somebody else.
        let target = format!("/api/v1/t/honest/{number}");
        let honest = gate.get(&target).await;
        assert_eq!(honest.text().await.unwrap(), target, "after {name}");
        let seen: Vec<_> = recorder.take().into_iter().filter(|seen| seen.is_whole).collect();
        assert!(seen.len() == 1 && seen[0].head.starts_with(&format!("GET {target} ")), "after {name}: {seen:?}");
    }
}

/// However lenient an upstream is, it can read what reached it in one way only.
fn check_framing(name: &str, request: &Seen) {
    let head = &request.head;
    assert!(!head.contains("smuggled"), "{name}: {head}");
    let lines: Vec<_> = head.split("\r\n").collect();
    let framing: Vec<_> = lines
        .iter()
        .map(|line| line.to_ascii_lowercase().replace(['_', ' ', '\t'], "-"))
        .filter(|line| line.starts_with("content-length") || line.starts_with("transfer-encoding"))
        .collect();
    assert!(framing.len() <= 1, "{name}: {head}");
    assert!(lines.iter().all(|line| !line.starts_with([' ', '\t']) && !line.contains(['\n', '\r', '\0'])), "{name}");
}

/// Sends the bytes, reads one answer, says that nothing follows, and reads the rest.
async fn converse(gate: &Gate, bytes: &[u8], piece: usize) -> String {
    let mut client = gate.connect().await;
    client.set_nodelay(true).unwrap();
    for piece in bytes.chunks(piece) {
        // A server may refuse and close before it has read everything.
        let _ = within(client.write_all(piece)).await;
        tokio::task::yield_now().await;
    }
    let first = read_until(&mut client, is_whole).await;
    first + &rest(&mut client).await
}

async fn rest(client: &mut TcpStream) -> String {
    let _ = client.shutdown().await;
    read_all(client).await
}

/// Whether there is a whole answer: ours all say how long they are.
fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn count(answers: &str) -> usize {
    answers.matches("HTTP/1.1 ").count() + answers.matches("HTTP/1.0 ").count()
}

#[test]
fn there_are_at_least_sixty() {
    let all = [framing::cases(), chunks::cases(), heads::cases(), paths::cases()];
    assert!(all.iter().map(Vec::len).sum::<usize>() >= 60);
}
