//! Twenty edits of the file, of every kind, under requests, WebSockets and an event stream: none of them notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::websocket::{AGREES, ASKS, MASKED, read_exactly};
use super::*;

/// What the client's frame comes back as: the same two letters, without the mask.
const ECHO: &[u8] = b"\x81\x02ab";

/// Routes that are there throughout: one for WebSockets, and one for a stream without an end.
const LASTING: &str = "[[routes]]\npath = \"/api/t/ws\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\nwebsocket = true\n\
    [[routes]]\npath = \"/api/t/events\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\ntimeout = \"0s\"\n";

/// What is edited, each kind in its turn.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Route,
    Limit,
    Timeout,
    ApiKey,
    Endpoint,
    Header,
    Compression,
}

const KINDS: [Edit; 7] =
    [Edit::Route, Edit::Limit, Edit::Timeout, Edit::ApiKey, Edit::Endpoint, Edit::Header, Edit::Compression];

impl Edit {
    /// The upstreams and the rest of the configuration after the edit of this number.
    fn text(self, n: usize, at: [SocketAddr; 2]) -> (String, String) {
        let route = |path: &str, more: &str| format!("[[routes]]\npath = \"{path}\"\nupstream = \"raw\"\n{more}\n");
        let alone = format!("{{ name = \"raw\", url = \"http://{}\" }}", at[0]);
        let (raw, edited) = match self {
            Self::Route => (alone, route(&format!("/api/edit{n}"), "auth = \"none\"")),
            Self::Limit => {
                let policy = format!("{{ name = \"edit\", key = \"address\", quota = {n}00, window = \"1m\" }}");
                (alone, format!("rate_limit = {{ roles = [], anonymous = [\"edit\"], policies = [{policy}] }}\n"))
            }
            Self::Timeout => (alone, route("/api/timed", &format!("auth = \"none\"\ntimeout = \"{n}s\""))),
            Self::ApiKey => {
                let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(format!("a-key-for-edit-{n}")));
                let key = format!("{{ name = \"edit\", sha256 = \"{hash}\", scopes = [\"raw:read\"] }}");
                (alone, format!("authentication.api_keys.keys = [{key}]\n{}", route("/api/keyed", "")))
            }
            Self::Endpoint => {
                let both =
                    format!("{{ name = \"raw\", url = \"http://{}\", endpoints = [\"http://{}\"] }}", at[0], at[1]);
                (both, String::new())
            }
            Self::Header => (alone, format!("security_headers.referrer_policy = \"edit-{n}\"\n")),
            Self::Compression => (alone, "compression.above_bytes = 10\n".to_owned()),
        };
        (raw, format!("{edited}{LASTING}"))
    }

    /// It is in force.
    async fn holds(self, n: usize, gate: &Gate) {
        match self {
            Self::Route => assert_eq!(gate.get(&format!("/api/edit{n}")).await.status(), 200),
            Self::Limit => {
                let answer = gate.get("/nothing").await;
                let policy = answer.headers()["ratelimit-policy"].to_str().unwrap();
                assert!(policy.starts_with(&format!("\"edit\";q={n}00;w=60;")), "{policy}");
            }
            Self::Timeout => {
                let seen = gate.get("/api/timed").await.text().await.unwrap();
                let left = seen.lines().find_map(|line| line.strip_prefix("x-tollgate-deadline-ms: ")).unwrap();
                assert_eq!(left.parse::<usize>().unwrap().div_ceil(1_000), n, "{seen}");
            }
            Self::ApiKey => {
                let ask = gate.client.get(gate.url("/api/v1/keyed")).header("x-api-key", format!("a-key-for-edit-{n}"));
                assert_eq!(ask.send().await.unwrap().status(), 200);
            }
            Self::Endpoint => {
                let view = gate.client.get(format!("http://{}/admin/api/upstreams", gate.admin)).send().await.unwrap();
                let view: Value = view.json().await.unwrap();
                let raw = view["data"].as_array().unwrap().iter().find(|upstream| upstream["name"] == "raw").unwrap();
                assert_eq!(raw["endpoints"].as_array().unwrap().len(), 2, "{raw}");
            }
            Self::Header => assert_eq!(gate.get("/nothing").await.headers()["referrer-policy"], format!("edit-{n}")),
            Self::Compression => {
                let ask = gate.client.get(gate.url("/api/t/x")).header(ACCEPT_ENCODING, "gzip");
                assert_eq!(ask.send().await.unwrap().headers()[CONTENT_ENCODING], "gzip");
            }
        }
    }
}

/// An upstream that answers with what it was asked, echoes frames, and tells its listeners the number of each edit.
async fn upstream(edits: &watch::Sender<usize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, edits) = (listener.local_addr().unwrap(), edits.subscribe());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, edits.clone()));
        }
    });
    addr
}

async fn serve(mut stream: TcpStream, mut edits: watch::Receiver<usize>) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("GET /api/v1/t/ws ") {
            stream.write_all(AGREES.as_bytes()).await?;
            let mut frame = [0; 8];
            loop {
                stream.read_exact(&mut frame).await?;
                assert_eq!(frame, MASKED);
                stream.write_all(ECHO).await?;
            }
        }
        if head.starts_with("GET /api/v1/t/events ") {
            let began = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(began.as_bytes()).await?;
            loop {
                let event = format!("data: {:02}\n\n", *edits.borrow_and_update());
                stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
                if edits.changed().await.is_err() {
                    return Ok(());
                }
            }
        }
        let length = head.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{head}");
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// Asks on one connection until it is over: not one answer may fail, and the connection may not close.
async fn ask(gate: Arc<Gate>, over: Arc<AtomicBool>, asked: Arc<AtomicUsize>) {
    let mut stream = gate.connect().await;
    while !over.load(Ordering::SeqCst) {
        write(&mut stream, "GET /api/t/x HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = read_until(&mut stream, |text| text.matches("\r\n\r\n").count() == 2).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        asked.fetch_add(1, Ordering::SeqCst);
    }
}

/// Talks on one WebSocket until it is over.
async fn talk(gate: Arc<Gate>, over: Arc<AtomicBool>, echoed: Arc<AtomicUsize>) {
    let mut stream = gate.connect().await;
    write(&mut stream, &format!("GET /api/t/ws HTTP/1.1\r\n{ASKS}\r\n")).await;
    assert!(read_head(&mut stream).await.starts_with("HTTP/1.1 101 "));
    while !over.load(Ordering::SeqCst) {
        within(stream.write_all(MASKED)).await.unwrap();
        read_exactly(&mut stream, ECHO).await;
        echoed.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn twenty_edits_under_load_and_nobody_notices() {
    let edits = watch::Sender::new(0);
    let at = [upstream(&edits).await, upstream(&edits).await];
    let gate = Arc::new(Gate::among(&format!("{{ name = \"raw\", url = \"http://{}\" }}", at[0]), LASTING).await);
    let over = Arc::new(AtomicBool::new(false));
    let (asked, echoed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut busy = JoinSet::new();
    (0..6).for_each(|_| drop(busy.spawn(ask(Arc::clone(&gate), Arc::clone(&over), Arc::clone(&asked)))));
    (0..3).for_each(|_| drop(busy.spawn(talk(Arc::clone(&gate), Arc::clone(&over), Arc::clone(&echoed)))));
    let mut events = gate.connect().await;
    write(&mut events, "GET /api/t/events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    read_until(&mut events, |text| text.contains("data: 00\n\n")).await;
    for (n, kind) in (1..=20).zip(KINDS.into_iter().cycle()) {
        let (raw, more) = kind.text(n, at);
        gate.rewrite(&raw, &more);
        let view = taken(&gate, n as u64 + 1).await;
        assert_eq!((&view["error"], &view["refused"]), (&Value::Null, &json!(0)), "{kind:?}: {view}");
        kind.holds(n, &gate).await;
        edits.send_replace(n);
        read_until(&mut events, |text| text.contains(&format!("data: {n:02}\n\n"))).await;
        // All of them go on under it before it is edited again; who has failed would be waited for in vain.
        let before = (asked.load(Ordering::SeqCst), echoed.load(Ordering::SeqCst));
        let go_on = || asked.load(Ordering::SeqCst) > before.0 + 12 && echoed.load(Ordering::SeqCst) > before.1 + 6;
        until(|| go_on() || busy.try_join_next().is_some_and(|ended| panic!("{kind:?}: {ended:?}"))).await;
    }
    over.store(true, Ordering::SeqCst);
    while let Some(ended) = within(busy.join_next()).await {
        ended.unwrap();
    }
}
