//! Bodies that come late: who was let in by the head of a request, and is nobody any more when its body is here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shared::auth::Verifier;
use shared::clock::Clock;
use shared::config::Secret;
use shared::domain::{Permissions, Role};
use shared::store::Revocation;
use time::OffsetDateTime;
use tokio::net::TcpStream;

use super::harness::*;
use super::keys::shop::Issuer;
use super::stub::{Reply, Stub, ok};

const ROUTES: &str = "[[routes]]\npath = \"/api/open\"\nupstream = \"raw\"\nlimited = false\nbody = 100000\n\
                      [[routes]]\npath = \"/api/admins\"\nupstream = \"raw\"\nlimited = false\nroles = [\"admin\"]\n\
                      [[routes]]\npath = \"/api/look\"\nupstream = \"beside\"\nlimited = false\nroles = [\"admin\"]\n\
                      [[routes]]\npath = \"/api/slow\"\nupstream = \"beside\"\nlimited = false\n";

const NO_BREAKER: &str = "breaker.consecutive_failures = 0\nbreaker.failure_percent = 0\n";

/// A gateway, what is behind it, and an administrator.
struct Setting {
    gate: Gate,
    upstream: Upstream,
    /// Answers whoever wants to know where they stand.
    _beside: Stub,
    /// How often it was asked for what it fails at, after a while.
    slow: Arc<AtomicUsize>,
    claims: Value,
    token: String,
}

impl Setting {
    async fn new() -> Self {
        let (upstream, issuer, slow) = (Upstream::start().await, Issuer::start().await, Arc::<AtomicUsize>::default());
        let counter = Arc::clone(&slow);
        let beside = Stub::start(move |_, head| {
            if !head.contains("/slow") {
                return ok("");
            }
            counter.fetch_add(1, Ordering::SeqCst);
            Reply::Answer(502, "", Duration::from_millis(700))
        })
        .await;
        let upstreams = format!(
            "{{ name = \"raw\", url = \"http://{}\", assertion = true }}, {{ name = \"beside\", url = \"http://{}\" }}",
            upstream.addr(),
            beside.addr
        );
        let more = format!(
            "authentication.jwks_url = \"http://{}/\"\n{NO_BREAKER}upstream.retry.attempts = 2\n{ROUTES}",
            issuer.addr
        );
        let gate = Gate::among(&upstreams, &more).await;
        let mut claims = Issuer::claims();
        claims["roles"] = json!(["admin", "user"]);
        let token = issuer.sign(&claims);
        let on = Self { gate, upstream, _beside: beside, slow, claims, token };
        on.until_told(200).await;
        on
    }

    /// Until the gateway says this to the administrator.
    async fn until_told(&self, status: u16) {
        let ask = async || self.gate.client.get(self.gate.url("/api/look")).bearer_auth(&self.token).send().await;
        eventually(async || ask().await.unwrap().status() == status).await;
    }

    /// A request whose head is here, and whose body is asked for.
    async fn begun(&self, path: &str, framing: &str) -> TcpStream {
        let mut client = self.gate.connect().await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nAuthorization: Bearer {}",
            self.token
        );
        write(&mut client, &format!("{head}\r\n{framing}\r\n\r\n")).await;
        assert_eq!(read_head(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
        client
    }

    fn of<T: serde::de::DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_value(self.claims[name].clone()).unwrap()
    }

    async fn revoke(&self, what: impl Fn(&Self, OffsetDateTime) -> Revocation, told: u16) {
        let expires_at = Clock::system().now() + time::Duration::hours(1);
        self.gate.stores.revocations.publish(&what(self, expires_at)).await.unwrap();
        self.until_told(told).await;
    }

    async fn ends(&self) {
        self.revoke(|on, expires_at| Revocation::Session { sid: on.of("sid"), expires_at }, 401).await;
    }

    async fn is_demoted(&self) {
        let demoted = |on: &Self, expires_at| {
            let roles = [Role::User].into_iter().collect();
            Revocation::Roles { user: on.of("sub"), ver: 2, roles, permissions: Permissions::NONE, expires_at }
        };
        self.revoke(demoted, 403).await;
    }
}

#[tokio::test]
async fn a_body_after_the_end_of_its_session_does_nothing() {
    let on = Setting::new().await;
    let mut clients = Vec::new();
    // A transfer, and a deletion that takes no body at all.
    for _ in 0..2 {
        clients.push(on.begun("/api/open", "Content-Length: 5").await);
    }
    on.ends().await;
    for mut client in clients {
        write(&mut client, "money").await;
        let answer = read_all(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("token_invalid"), "{answer}");
        assert!(answer.to_lowercase().contains("www-authenticate: bearer"), "{answer}");
    }
    assert!(on.upstream.is_left_alone());
}

#[tokio::test]
async fn a_body_after_a_demotion_comes_from_who_they_are_by_then() {
    let on = Setting::new().await;
    let (mut refused, mut fine) =
        (on.begun("/api/admins", "Content-Length: 5").await, on.begun("/api/open", "Content-Length: 5").await);
    on.is_demoted().await;
    write(&mut refused, "money").await;
    let answer = read_all(&mut refused).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("forbidden"), "{answer}");
    assert!(on.upstream.is_left_alone());
    write(&mut fine, "money").await;
    let (mut stream, head) = on.upstream.accept().await;
    let assertion = head.lines().find_map(|line| line.strip_prefix("x-tollgate-assertion: ")).unwrap();
    let verifier = Verifier::new(&Secret::from(SECRET.to_owned()), "raw", Clock::system()).unwrap();
    let user = verifier.verify(assertion, "POST", "/api/v1/open").unwrap().user.unwrap();
    assert!(user.roles.has(Role::User) && !user.roles.has(Role::Admin), "{user:?}");
    write(&mut stream, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
    assert!(read_all(&mut fine).await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test]
async fn a_body_that_is_streamed_is_cut_off_before_its_end() {
    let large = "0123456789".repeat(8_999);
    for (framing, first, rest) in [
        ("Content-Length: 90000", large.as_str(), "0123456789"),
        ("Transfer-Encoding: chunked", "5\r\nfirst\r\n", "4\r\nlast\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nfirst\r\n", "0\r\n\r\n"),
    ] {
        let on = Setting::new().await;
        let mut client = on.begun("/api/open", framing).await;
        write(&mut client, first).await;
        let (mut stream, _) = on.upstream.accept().await;
        on.ends().await;
        let upstream = tokio::spawn(async move { read_all(&mut stream).await });
        write(&mut client, rest).await;
        let answer = read_all(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{framing} {rest:?}: {answer}");
        let seen = upstream.await.unwrap();
        assert!(!seen.contains("last") && !seen.ends_with("0\r\n\r\n") && seen.len() < 90_000, "{framing}");
    }
}

#[tokio::test]
async fn a_call_is_repeated_only_for_who_is_still_there() {
    let on = Setting::new().await;
    let ask = async || within(on.gate.client.get(on.gate.url("/api/slow")).bearer_auth(&on.token).send()).await;
    assert_eq!(ask().await.unwrap().status(), 502);
    assert_eq!(on.slow.load(Ordering::SeqCst), 3);
    let (answer, ()) = tokio::join!(ask(), async {
        until(|| on.slow.load(Ordering::SeqCst) == 4).await;
        on.ends().await;
    });
    assert_eq!(answer.unwrap().status(), 502, "what came of the first try");
    assert_eq!(on.slow.load(Ordering::SeqCst), 4);
}
