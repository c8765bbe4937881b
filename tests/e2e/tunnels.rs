//! WebSockets and event streams of people whose sessions end; and upstreams that go wrong in every way.

use std::time::{Duration, Instant};

use reqwest::Method;
use tests::client::Person;
use tests::faults::{Play, Upstream};
use tests::{Backend, Stack};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

journeys!(
    a_revoked_sessions_tunnel_and_events,
    a_demoted_persons_tunnel,
    a_key_taken_out_of_the_configuration,
    upstreams_that_go_wrong,
);

/// The contract's "within 1 s", and a moment for a busy machine.
const BITES: Duration = Duration::from_millis(1_500);
const LONG: Duration = Duration::from_secs(20);

/// A stack whose gateway also leads to `upstream`.
async fn leading_to(backend: Backend, upstream: &Upstream) -> Stack {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), settings(upstream)).expect("the file");
    Stack::builder(backend).gateway_file(file.path()).start().await
}

fn settings(upstream: &Upstream) -> String {
    let upstreams = format!("upstreams = [{{ name = \"other\", url = \"http://{}\" }}]", upstream.addr);
    let routes = "\n[[routes]]\npath = \"/api/other/**\"\nupstream = \"other\"\nwebsocket = true\ntimeout = \"2s\"\n\
                  [[routes]]\npath = \"/api/other/staff\"\nupstream = \"other\"\nwebsocket = true\nroles = [\"support\"]\n\
                  [[routes]]\npath = \"/api/other/events\"\nupstream = \"other\"\ntimeout = \"0s\"\n";
    gateway::config::DEFAULTS.replace("\nupstreams = []", &format!("\n{upstreams}")) + routes
}

/// Asks with bytes, and reads until `enough`.
async fn ask(stack: &Stack, credential: &str, path: &str, lines: &str, enough: &str) -> TcpStream {
    let mut stream = TcpStream::connect(stack.gateway).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{credential}\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut text = String::new();
    while !text.contains(enough) {
        let mut piece = [0; 4096];
        let read = timeout(LONG, stream.read(&mut piece)).await.expect("in time").expect("an answer");
        assert!(read > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    stream
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What a person shows.
fn token(person: &Person) -> String {
    format!("Authorization: Bearer {}", person.client.token().expect("signed in"))
}

async fn socket(stack: &Stack, credential: &str, path: &str) -> TcpStream {
    let mut stream = ask(stack, credential, path, UPGRADE, "\r\n\r\n").await;
    stream.write_all(b"\x81\x82\x00\x00\x00\x00hi").await.expect("written");
    let mut echo = [0; 8];
    timeout(LONG, stream.read_exact(&mut echo)).await.expect("in time").expect("the echo");
    assert_eq!(&echo, b"\x81\x82\x00\x00\x00\x00hi");
    stream
}

/// What comes until the end.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    drop(timeout(LONG, stream.read_to_end(&mut rest)).await.expect("in time"));
    rest
}

/// How long it takes until the gateway says that the session has ended.
async fn goodbye(stream: &mut TcpStream, since: Instant) {
    let mut frame = [0; 4];
    timeout(LONG, stream.read_exact(&mut frame)).await.expect("in time").expect("a close frame");
    assert_eq!((frame[0], u16::from_be_bytes([frame[2], frame[3]])), (0x88, 1008));
    assert!(since.elapsed() < BITES, "{:?}", since.elapsed());
}

async fn a_revoked_sessions_tunnel_and_events(backend: Backend) {
    let upstream = Upstream::listen(Play::WebSocket).await.expect("a port");
    let stack = leading_to(backend, &upstream).await;
    let (ann, ben) = (stack.register("ann").await, stack.register("ben").await);
    let (mut first, mut others) =
        (socket(&stack, &token(&ann), "/api/other/ws").await, socket(&stack, &token(&ben), "/api/other/ws").await);
    upstream.play(Play::Events);
    let mut events = ask(&stack, &token(&ann), "/api/other/events", "Connection: close\r\n", "data: 1\n\n").await;
    let since = Instant::now();
    drop(stack.client().form("/api/v1/auth/revoke", &[("token", &ann.refresh_token)]).await.expect(200));
    goodbye(&mut first, since).await;
    assert!(rest(&mut events).await.ends_with(b"0\r\n\r\n"), "a proper end");
    assert!(since.elapsed() < 2 * BITES, "{:?}", since.elapsed());
    others.write_all(b"\x89\x80\x00\x00\x00\x00").await.expect("written");
    let mut echo = [0; 6];
    timeout(LONG, others.read_exact(&mut echo)).await.expect("in time").expect("another's goes on");
}

async fn a_demoted_persons_tunnel(backend: Backend) {
    let upstream = Upstream::listen(Play::WebSocket).await.expect("a port");
    let stack = leading_to(backend, &upstream).await;
    let (root, staff) = (stack.administrator().await, stack.with_roles("staff", &["support"]).await);
    let mut tunnel = socket(&stack, &token(&staff), "/api/other/staff").await;
    let mut open = socket(&stack, &token(&staff), "/api/other/ws").await;
    let path = format!("/api/v1/users/{}/roles", staff.id);
    let since = Instant::now();
    let set = root.client.put(&path, serde_json::json!({"roles": ["user"]})).await;
    assert!(set.status < 300, "{set}");
    goodbye(&mut tunnel, since).await;
    open.write_all(b"\x89\x80\x00\x00\x00\x00").await.expect("written");
    let mut echo = [0; 6];
    timeout(LONG, open.read_exact(&mut echo)).await.expect("in time").expect("what every user may have goes on");
    let disable = root.client.call(Method::POST, &format!("/api/v1/users/{}/disable", staff.id)).send();
    let since = Instant::now();
    assert!(disable.await.status < 300);
    goodbye(&mut open, since).await;
}

async fn a_key_taken_out_of_the_configuration(backend: Backend) {
    let upstream = Upstream::listen(Play::WebSocket).await.expect("a port");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let key = |name: &str| {
        let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(name));
        format!(
            "[[authentication.api_keys.keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n\
             scopes = [\"other:read\", \"other:write\"]\n"
        )
    };
    // The defaults are the whole document, so that theirs give way.
    let plain = settings(&upstream).replacen("\nkeys = []\n", "\n", 1);
    let with = |keys: &[&str]| {
        let keys: String = keys.iter().map(|name| key(name)).collect();
        std::fs::write(file.path(), format!("{plain}{keys}")).expect("the file");
    };
    with(&["billing", "reports"]);
    let stack = Stack::builder(backend).gateway_file(file.path()).start().await;
    let mut gone = socket(&stack, "X-API-Key: billing", "/api/other/ws").await;
    let mut stays = socket(&stack, "X-API-Key: reports", "/api/other/ws").await;
    let ann = stack.register("ann").await;
    let mut persons = socket(&stack, &token(&ann), "/api/other/ws").await;
    upstream.play(Play::Events);
    let lines = "Connection: close\r\n";
    let mut events = ask(&stack, "X-API-Key: billing", "/api/other/events", lines, "data: 1\n\n").await;
    with(&["reports"]);
    let since = Instant::now();
    let reloaded = stack.operator().call(Method::POST, "/admin/api/reload").send().await;
    assert_eq!(reloaded.status, 200, "{reloaded}");
    goodbye(&mut gone, since).await;
    assert!(rest(&mut events).await.ends_with(b"0\r\n\r\n"), "a proper end");
    assert!(since.elapsed() < 2 * BITES, "{:?}", since.elapsed());
    for other in [&mut stays, &mut persons] {
        other.write_all(b"\x89\x80\x00\x00\x00\x00").await.expect("written");
        let mut echo = [0; 6];
        timeout(LONG, other.read_exact(&mut echo)).await.expect("in time").expect("whoever may stay stays");
    }
}

async fn upstreams_that_go_wrong(backend: Backend) {
    let upstream = Upstream::listen(Play::Answer(200)).await.expect("a port");
    let stack = leading_to(backend, &upstream).await;
    let ann = stack.register("ann").await;
    for (play, status) in [
        (Play::Cut, 502),
        (Play::Reset, 502),
        (Play::Hold, 504),
        (Play::Slow(Duration::from_millis(100)), 504),
        (Play::Slow(Duration::from_millis(1)), 200),
        (Play::Lie, 200),
    ] {
        upstream.play(play);
        upstream.say("{\"first\": true}".to_owned());
        let answer = ann.client.call(Method::POST, "/api/v1/other/x").send().await;
        assert_eq!(answer.status, status, "{play:?}: {answer}");
        upstream.play(Play::Answer(200));
        upstream.say(format!("{{\"second\": \"{play:?}\"}}"));
        let answer = ann.client.get("/api/v1/other/y").await;
        assert_eq!(answer.text("/second"), format!("{play:?}"), "nobody gets another's answer");
    }
    let seen = upstream.connections().concat();
    assert_eq!(seen.matches("POST /api/v1/other/x HTTP/1.1\r\n").count(), 6, "what is not safe is asked once: {seen}");
}
