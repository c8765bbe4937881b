//! What lasts ends when its caller's leave does: by a new configuration, by an issuer's word, by age.

mod certificates;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use shared::clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::harness::*;
use super::keys::shop::Issuer;
use super::stub::{Reply, Stub, ok};
use super::websocket::{AGREES, ASKS, HELLO, code, read_exactly, rest};

/// The contract's second, and a moment for a busy machine.
const BITES: Duration = Duration::from_millis(1_500);

const SOCKET: &str = "[[routes]]\npath = \"/api/ws\"\nupstream = \"raw\"\nlimited = false\nwebsocket = true\n";
const EVENTS: &str = "[[routes]]\npath = \"/api/events\"\nupstream = \"raw\"\nlimited = false\n";

/// A gateway, and what is behind it.
struct Setting {
    gate: Gate,
    upstream: Upstream,
    since: Instant,
}

impl Setting {
    async fn new(more: &str) -> Self {
        Self::at(Clock::system(), more).await
    }

    async fn at(clock: Clock, more: &str) -> Self {
        let upstream = Upstream::start().await;
        let gate = Gate::at(clock, &raw(&upstream), more).await;
        Self { gate, upstream, since: Instant::now() }
    }

    /// A tunnel for whoever shows this line; both of its ends.
    async fn socket(&self, line: &str) -> (TcpStream, TcpStream) {
        let mut client = self.gate.connect().await;
        write(&mut client, &format!("GET /api/ws HTTP/1.1\r\n{ASKS}{line}\r\n\r\n")).await;
        let (mut service, _) = self.upstream.accept().await;
        write(&mut service, AGREES).await;
        let answer = read_head(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        (client, service)
    }

    /// A stream of events, likewise.
    async fn events(&self, line: &str) -> (TcpStream, TcpStream) {
        let mut client = self.gate.connect().await;
        write(&mut client, &format!("GET /api/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n\r\n"))
            .await;
        let (mut service, _) = self.upstream.accept().await;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        write(&mut service, &format!("{head}9\r\ndata: 1\n\n\r\n")).await;
        read_until(&mut client, |text| text.contains("data: 1\n\n")).await;
        (client, service)
    }

    async fn reload(&mut self, more: &str) {
        self.gate.rewrite(&raw(&self.upstream), more);
        self.since = Instant::now();
        let answer =
            self.gate.client.post(format!("http://{}/admin/api/reload", self.gate.admin)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    /// The tunnel is told that its caller's leave has ended, soon.
    async fn is_told(&self, client: &mut TcpStream) {
        let mut frame = [0; 4];
        within(client.read_exact(&mut frame)).await.unwrap();
        assert_eq!(code(&frame), 1008);
        assert!(self.since.elapsed() < BITES, "{:?}", self.since.elapsed());
    }
}

fn raw(upstream: &Upstream) -> String {
    format!("{{ name = \"raw\", url = \"http://{}\", assertion = true }}", upstream.addr())
}

/// Bytes still pass.
async fn goes_on((client, service): &mut (TcpStream, TcpStream)) {
    within(service.write_all(HELLO)).await.unwrap();
    read_exactly(client, HELLO).await;
}

/// As long as it takes until everything that is open has been looked at once more.
async fn a_look() {
    let began = Instant::now();
    until(|| began.elapsed() > Duration::from_millis(600)).await;
}

fn key(name: &str, more: &str) -> String {
    let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(name));
    format!("[[authentication.api_keys.keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\n{more}\n")
}

#[tokio::test]
async fn a_key_that_a_reload_takes_away_takes_along_what_it_opened() {
    let all = "scopes = [\"raw:read\", \"raw:write\"]";
    let both = [key("one", all), key("two", all), SOCKET.to_owned(), EVENTS.to_owned()].concat();
    let mut on = Setting::new(&both).await;
    let (mut one, mut two) = (on.socket("X-API-Key: one").await, on.socket("X-API-Key: two").await);
    let (mut events, mut others) = (on.events("X-API-Key: one").await, on.events("X-API-Key: two").await);
    on.reload(&both).await;
    a_look().await;
    goes_on(&mut one).await;
    on.reload(&[key("two", all), SOCKET.to_owned(), EVENTS.to_owned()].concat()).await;
    on.is_told(&mut one.0).await;
    assert!(read_all(&mut events.0).await.ends_with("0\r\n\r\n"), "complete, so that the client comes back");
    assert!(on.since.elapsed() < 2 * BITES, "{:?}", on.since.elapsed());
    goes_on(&mut two).await;
    write(&mut others.1, "9\r\ndata: 2\n\n\r\n").await;
    assert!(read_until(&mut others.0, |text| text.contains("data: 2")).await.contains("data: 2"));
    let less = key("two", "scopes = [\"raw:read\"]");
    on.reload(&[less, SOCKET.to_owned(), EVENTS.to_owned()].concat()).await;
    on.is_told(&mut two.0).await;
    write(&mut others.1, "9\r\ndata: 3\n\n\r\n").await;
    assert!(read_until(&mut others.0, |text| text.contains("data: 3")).await.contains("data: 3"), "reading goes on");
}

#[tokio::test]
async fn a_credential_that_would_not_be_read_any_more_ends_what_it_opened() {
    let settings = [key("one", "scopes = [\"raw:read\", \"raw:write\"]"), SOCKET.to_owned()].concat();
    let mut on = Setting::new(&settings).await;
    let mut one = on.socket("X-API-Key: one").await;
    on.reload(&format!("authentication.api_keys.header = \"X-Other-Key\"\n{settings}")).await;
    on.is_told(&mut one.0).await;

    let settings = [key("tgk_one", "scopes = [\"raw:read\", \"raw:write\"]"), SOCKET.to_owned()].concat();
    let mut on = Setting::new(&settings).await;
    let (mut by_header, mut as_bearer) =
        (on.socket("X-API-Key: tgk_one").await, on.socket("Authorization: Bearer tgk_one").await);
    on.reload(&format!("authentication.api_keys.prefix = \"other_\"\n{settings}")).await;
    on.is_told(&mut as_bearer.0).await;
    goes_on(&mut by_header).await;
}

#[tokio::test]
async fn callers_whose_time_is_up_together_are_asked_about_in_turn() {
    let hangs = Arc::new(AtomicBool::new(false));
    let hanging = Arc::clone(&hangs);
    let issuer = Stub::start(move |_, _| match hanging.load(Ordering::SeqCst) {
        true => Reply::Hang,
        false => ok("{\"active\": true, \"sub\": \"alice\"}"),
    })
    .await;
    let many = "websocket.max_per_caller = 200\nauthentication.introspection.max_in_flight = 200\n";
    let settings = [many, &vouched(&issuer)].concat();
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let on = Setting::at(clock.clone(), &settings).await;
    let mut tunnels = Vec::new();
    for n in 0..80 {
        tunnels.push(on.socket(&format!("Authorization: Bearer opaque-{n}")).await);
    }
    hangs.store(true, Ordering::SeqCst);
    clock.advance(Duration::from_secs(31));
    // Of two workers, who have 40 each, and ask one issuer about 24 at once.
    until(|| issuer.calls() == 80 + 48).await;
    a_look().await;
    assert_eq!(issuer.calls(), 80 + 48, "so many at once");
    hangs.store(false, Ordering::SeqCst);
    for tunnel in &mut tunnels {
        goes_on(tunnel).await;
    }
    // They have answered too late, and are asked anew with the others.
    clock.advance(Duration::from_secs(10));
    until(|| issuer.calls() >= 80 + 48 + 80).await;
    for tunnel in &mut tunnels {
        goes_on(tunnel).await;
    }
}

#[tokio::test]
async fn what_a_reload_refuses_to_a_caller_ends_and_what_it_does_not_goes_on() {
    let (ours, theirs) = (Issuer::start().await, Issuer::start().await);
    let own = format!("authentication.jwks_url = \"http://{}/\"\n", ours.addr);
    let issuer = |name: &str, iss: &str, audience: &str| {
        format!(
            "[[authentication.issuers]]\nname = \"{name}\"\nissuer = \"{iss}\"\naudiences = [\"{audience}\"]\n\
             jwks_url = \"http://{}/\"\n",
            theirs.addr
        )
    };
    let corp = issuer("corp", "https://corp.example", "tollgate");
    let another = issuer("another", "https://another.example", "tollgate");
    let narrow = |more: &str| format!("{SOCKET}{more}\n");
    let line = format!(
        "Authorization: Bearer {}",
        theirs.token_of(
            json!({"iss": "https://corp.example", "sub": "alice", "exp": Clock::system().now_seconds() + 300})
        )
    );
    let before = format!("{own}{corp}{SOCKET}");
    for (what, after, stays) in [
        ("nothing", before.clone(), true),
        ("another issuer stands first", format!("{own}{another}{corp}{SOCKET}"), true),
        ("it has another name", format!("{own}{}{SOCKET}", corp.replace("\"corp\"", "\"staff\"")), true),
        (
            "its token is still for us",
            format!("{own}{}{SOCKET}", corp.replace("[\"tollgate\"]", "[\"x\", \"tollgate\"]")),
            true,
        ),
        ("it is gone", format!("{own}{SOCKET}"), false),
        ("another took its place", format!("{own}{another}{SOCKET}"), false),
        ("its token is for others", format!("{own}{}{SOCKET}", corp.replace("[\"tollgate\"]", "[\"x\"]")), false),
        ("the route takes ours only", format!("{own}{corp}{}", narrow("issuers = [\"default\"]")), false),
        ("the route wants a role", format!("{own}{corp}{}", narrow("roles = [\"support\"]")), false),
        ("the route wants a scope", format!("{own}{corp}{}", narrow("scope = \"talk\"")), false),
        ("nothing leads there", format!("{own}{corp}"), false),
    ] {
        let mut on = Setting::new(&before).await;
        eventually(async || has_keys(&on.gate).await).await;
        let mut tunnel = on.socket(&line).await;
        on.reload(&after).await;
        if stays {
            a_look().await;
            a_look().await;
            goes_on(&mut tunnel).await;
        } else {
            on.is_told(&mut tunnel.0).await;
        }
        assert_eq!(on.gate.get("/livez").await.status(), 200, "{what}");
    }
}

async fn has_keys(gate: &Gate) -> bool {
    let text = gate.client.get(format!("http://{}/metrics", gate.admin)).send().await.unwrap().text().await.unwrap();
    text.contains("tollgate_gateway_signing_keys{issuer=\"corp\"} 1")
}

#[tokio::test]
async fn who_is_nobody_ends_where_somebody_is_wanted() {
    let open = SOCKET.replace("limited", "auth = \"none\"\nlimited");
    let mut on = Setting::new(&open).await;
    let mut tunnel = on.socket("X-Nobody: 1").await;
    on.reload(&format!("server.max_in_flight = 9\n{open}")).await;
    a_look().await;
    goes_on(&mut tunnel).await;
    on.reload(SOCKET).await;
    on.is_told(&mut tunnel.0).await;
}

/// A gateway that asks this issuer about the tokens of a WebSocket's callers.
fn vouched(issuer: &Stub) -> String {
    format!(
        "[[authentication.issuers]]\nname = \"corp\"\nissuer = \"https://corp.example\"\n\
         introspection = {{ url = \"http://{}/\" }}\n{SOCKET}",
        issuer.addr
    )
}

/// An issuer that is asked, as long as `is_good` and `answers` say so.
async fn asked(is_good: &Arc<AtomicBool>, answers: &Arc<AtomicBool>) -> Stub {
    let (is_good, answers) = (Arc::clone(is_good), Arc::clone(answers));
    Stub::start(move |_, _| match (answers.load(Ordering::SeqCst), is_good.load(Ordering::SeqCst)) {
        (true, true) => ok("{\"active\": true, \"sub\": \"alice\"}"),
        (true, false) => ok("{\"active\": false}"),
        (false, _) => Reply::Cut,
    })
    .await
}

#[tokio::test]
async fn what_an_issuer_takes_back_ends_as_soon_as_its_word_is_believed_no_longer() {
    let (is_good, answers) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let issuer = asked(&is_good, &answers).await;
    let settings = vouched(&issuer);
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let mut on = Setting::at(clock.clone(), &settings).await;
    let mut tunnel = on.socket("Authorization: Bearer opaque").await;
    a_look().await;
    assert_eq!(issuer.calls(), 1, "it is believed");
    clock.advance(Duration::from_secs(31));
    until(|| issuer.calls() == 2).await;
    goes_on(&mut tunnel).await;
    on.reload(&format!("server.max_in_flight = 9\n{settings}")).await;
    a_look().await;
    assert_eq!(issuer.calls(), 2, "and a reload asks nobody");

    answers.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(31));
    until(|| issuer.calls() > 3).await;
    goes_on(&mut tunnel).await;
    answers.store(true, Ordering::SeqCst);
    a_look().await;
    a_look().await;
    goes_on(&mut tunnel).await;
    is_good.store(false, Ordering::SeqCst);
    clock.advance(Duration::from_secs(31));
    on.since = Instant::now();
    on.is_told(&mut tunnel.0).await;
}

#[tokio::test]
async fn nothing_lasts_on_a_word_that_nobody_can_renew() {
    let (is_good, answers) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true)));
    let issuer = asked(&is_good, &answers).await;
    let settings = vouched(&issuer);
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 0:00 UTC));
    let on = Setting::at(clock.clone(), &settings).await;
    let mut tunnel = on.socket("Authorization: Bearer opaque").await;
    answers.store(false, Ordering::SeqCst);
    let since = Instant::now();
    clock.advance(Duration::from_secs(31));
    assert_eq!(code(&rest(&mut tunnel.0).await), 1008);
    assert!(since.elapsed() > Duration::from_secs(9), "an issuer that restarts ends nothing: {:?}", since.elapsed());
}

#[tokio::test]
async fn a_stream_of_events_does_not_last_for_ever() {
    let open = EVENTS.replace("limited", "auth = \"none\"\nlimited");
    let on = Setting::new(&format!("event_streams.max_lifetime = \"100ms\"\n{open}")).await;
    let (mut client, _service) = on.events("X-Nobody: 1").await;
    assert!(read_all(&mut client).await.ends_with("0\r\n\r\n"));
    assert!(on.since.elapsed() < BITES, "{:?}", on.since.elapsed());
}

#[tokio::test]
async fn who_may_only_read_opens_no_websocket() {
    let readers = [key("reader", "scopes = [\"raw:read\"]"), key("writer", "scopes = [\"raw:write\"]")].concat();
    let on = Setting::new(&format!("{readers}{SOCKET}")).await;
    let mut client = on.gate.connect().await;
    write(&mut client, &format!("GET /api/ws HTTP/1.1\r\n{ASKS}X-API-Key: reader\r\n\r\n")).await;
    let answer = read_until(&mut client, |text| text.ends_with('}')).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("scope=\"raw:write\""), "{answer}");
    goes_on(&mut on.socket("X-API-Key: writer").await).await;
}
