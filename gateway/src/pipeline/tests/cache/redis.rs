//! Several gateways on one Redis: what one keeps all give, what one purges is gone for all, and a Redis that hangs is no
//! reason to wait.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use shared::clock::Clock;
use shared::store::{RedisOptions, Stores};

use super::super::harness::*;
use super::MINUTE;
use super::origin::{Act, Got, Origin, all, ok, say, settled};

/// Longer than a busy machine takes for a round trip, and much shorter than the tests' patience.
const LIMIT: Duration = Duration::from_millis(400);

/// A server that lives as long as this value.
struct Server {
    port: u16,
    process: Child,
}

impl Server {
    async fn start() -> Self {
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let server = Self { port, process: Self::spawn(port) };
        server.listens().await;
        server
    }

    fn spawn(port: u16) -> Child {
        Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("install redis-server ({error})"))
    }

    async fn listens(&self) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        eventually(async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
    }

    /// Stops the process in its tracks, or lets it go on: connections stay open and nothing is answered.
    fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two gateways before one upstream, each with a connection of its own.
struct Two {
    server: Server,
    origin: Origin,
    gates: [Gate; 2],
    clock: Clock,
}

impl Two {
    async fn start(reply: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Self {
        let (server, origin) = (Server::start().await, Origin::start(reply).await);
        let clock = Clock::manual(Clock::system().now());
        let rows = settled(
            "[[routes]]\npath = \"/api/c/**\"\nupstream = \"raw\"\nauth = \"none\"\ntimeout = \"15s\"\ncache = { mode = \"honour\" }",
        );
        let gate = async || {
            let options =
                RedisOptions { cache_deadline: LIMIT, first_connection: 20 * LIMIT, ..RedisOptions::default() };
            let url = format!("redis://127.0.0.1:{}", server.port);
            let stores = Stores::redis_with(&url, clock.clone(), options).await.unwrap();
            eventually(async || stores.health().await.is_ok()).await;
            Gate::on(stores, clock.clone(), &all(&origin, ""), &rows).await
        };
        let gates = [gate().await, gate().await];
        Self { server, origin, gates, clock }
    }

    async fn call(&self, gate: usize, method: Method, path: &str) -> Got {
        let gate = &self.gates[gate];
        Got::of(within(gate.client.request(method, gate.url(path)).header("host", "api.example").send()).await.unwrap())
            .await
    }

    async fn get(&self, gate: usize, path: &str) -> Got {
        self.call(gate, Method::GET, path).await
    }

    /// Asks until it is kept, which happens behind the answer's back, and says what that is.
    async fn kept(&self, gate: usize, path: &str) -> String {
        self.kept_but(gate, path, "").await
    }

    /// Asks until something else than this is kept.
    async fn kept_but(&self, gate: usize, path: &str, old: &str) -> String {
        within(async {
            loop {
                let got = self.get(gate, path).await;
                if got.is_hit() && got.body != old {
                    return got.body;
                }
            }
        })
        .await
    }
}

/// Numbers its answers, and lets everything be written.
fn numbered(n: usize, head: &str) -> Act {
    match head.split(' ').next() {
        Some("get") => ok(&format!("{MINUTE}\nSurrogate-Key: news"), &n.to_string()),
        _ => say("204 No Content", ""),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_keeps_the_other_gives_and_what_one_purges_is_gone_for_both() {
    let two = Two::start(numbered).await;
    let first = two.kept(0, "/api/c/x").await;
    let got = two.get(1, "/api/c/x").await;
    assert!(got.is_hit() && got.body == first, "{got:?}");
    let admin = two.gates[1].admin;
    let purge = async |what: serde_json::Value| {
        let url = format!("http://{admin}/admin/api/cache/purge");
        assert_eq!(two.gates[1].client.post(url).json(&what).send().await.unwrap().status(), 204, "{what}");
    };
    for step in 0..4 {
        let before = two.origin.calls();
        match step {
            0 => assert_eq!(two.call(1, Method::PUT, "/api/v1/c/x").await.status, 204),
            1 => purge(serde_json::json!({"tag": "news"})).await,
            2 => purge(serde_json::json!({"url": "/api/v2/c/x"})).await,
            _ => purge(serde_json::json!({"all": true})).await,
        }
        for gate in [0, 1] {
            let got = two.get(gate, "/api/c/x").await;
            assert!(got.body.parse::<usize>().unwrap() >= before, "{step}: {got:?}");
        }
        // Both may have fetched it, and the later one's stays.
        eventually(async || two.kept(0, "/api/c/x").await == two.kept(1, "/api/c/x").await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_hangs_requests_go_on_and_only_some_of_them_wait_at_all() {
    let two = Two::start(numbered).await;
    two.kept(0, "/api/c/x").await;
    two.server.freeze(true);
    let (began, before) = (Instant::now(), two.origin.calls());
    for _ in 0..20 {
        let got = two.get(0, "/api/c/x").await;
        assert!(got.status == 200 && !got.is_hit(), "{got:?}");
    }
    assert_eq!(two.origin.calls() - before, 20);
    assert!(began.elapsed() < 10 * LIMIT, "one wait, not one for each: {:?}", began.elapsed());
    two.server.freeze(false);
    // Its pause is over when the clock says so.
    within(async {
        loop {
            two.clock.advance(Duration::from_secs(1));
            if two.get(0, "/api/c/x").await.is_hit() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_while_redis_hangs_is_paid_when_it_is_back_though_nobody_reads_there() {
    let two = Two::start(numbered).await;
    let old = two.kept(0, "/api/c/x").await;
    assert_eq!(two.kept(1, "/api/c/x").await, old);
    two.server.freeze(true);
    assert_eq!(two.call(0, Method::PUT, "/api/c/x").await.status, 204, "a write goes on");
    let unsure = two.get(0, "/api/c/x").await;
    assert!(unsure.status == 200 && unsure.body != old, "what it could not purge it does not give: {unsure:?}");
    two.server.freeze(false);
    assert_ne!(two.kept_but(1, "/api/c/x", &old).await, old);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_to_a_redis_that_was_down_is_paid_too() {
    let mut two = Two::start(numbered).await;
    two.kept(0, "/api/c/x").await;
    let _ = (two.server.process.kill(), two.server.process.wait());
    assert_eq!(two.call(0, Method::PUT, "/api/c/x").await.status, 204);
    let got = two.get(0, "/api/c/x").await;
    assert!(got.status == 200 && !got.is_hit(), "{got:?}");
    two.server.process = Server::spawn(two.server.port);
    two.server.listens().await;
    let again = two.kept(0, "/api/c/x").await;
    assert_eq!(two.kept(1, "/api/c/x").await, again);
}
