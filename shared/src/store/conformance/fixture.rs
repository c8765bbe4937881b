//! What a test runs on: stores over a back-end, a hand-moved clock, and throw-away Redis servers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::store::{RedisOptions, Stores};

/// Generous, because these tests are about what is decided; `outage` is about deadlines.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stores under test.
pub(super) struct Fixture {
    pub stores: Stores,
    pub clock: Clock,
    _server: Option<RedisServer>,
}

impl Fixture {
    pub fn memory() -> Self {
        let clock = manual_clock();
        Self { stores: Stores::memory(clock.clone()), clock, _server: None }
    }

    /// On `TEST_REDIS_URL` when that is set, else on a server of its own.
    #[expect(clippy::disallowed_methods, reason = "the test's own setting, not a service's")]
    pub async fn redis() -> Self {
        let (url, server) = match std::env::var("TEST_REDIS_URL") {
            Ok(url) => (url, None),
            Err(_) => {
                let server = RedisServer::start().await;
                (server.url(), Some(server))
            }
        };
        let clock = manual_clock();
        let stores = Stores::redis_with(&url, clock.clone(), patient_options()).await.unwrap();
        stores.health().await.unwrap();
        Self { stores, clock, _server: server }
    }
}

pub(super) fn manual_clock() -> Clock {
    Clock::manual(time::macros::datetime!(2026-11-21 08:00 UTC))
}

/// A namespace of one's own, and deadlines that a busy test machine does not miss.
pub(super) fn patient_options() -> RedisOptions {
    RedisOptions {
        namespace: format!("test:{:032x}", rand::random::<u128>()),
        counters_deadline: PATIENCE,
        cache_deadline: PATIENCE,
        idempotency_deadline: PATIENCE,
        publish_deadline: PATIENCE,
        first_connection: PATIENCE,
    }
}

/// Waits until `condition` holds, and fails with `what` when it does not within the suite's patience.
pub(super) async fn eventually(what: &str, condition: impl AsyncFnMut() -> bool) {
    within(PATIENCE, what, condition).await;
}

/// Waits until `condition` holds, for at most `limit`.
pub(super) async fn within(limit: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A `redis-server` that lives as long as this value, without persistence.
pub(super) struct RedisServer {
    port: u16,
    process: Child,
}

impl RedisServer {
    pub async fn start() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        Self::start_on(port).await
    }

    pub async fn start_on(port: u16) -> Self {
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("install redis-server, or set TEST_REDIS_URL ({error})"));
        let server = Self { port, process };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        eventually("redis-server listens", async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        server
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Stops the process in its tracks: connections stay open and nothing is answered.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Empties the server as an operator's mistake would.
    pub async fn flush(&self) {
        let () = self.ask(::redis::cmd("FLUSHALL")).await;
    }

    /// Ends every other connection, as a proxy that restarts would.
    pub async fn cut_connections(&self) {
        let _: u64 = self.ask(::redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").to_owned()).await;
    }

    /// How many keys there are.
    pub async fn keys(&self) -> u64 {
        self.ask(::redis::cmd("DBSIZE")).await
    }

    async fn ask<T: ::redis::FromRedisValue>(&self, command: ::redis::Cmd) -> T {
        let client = ::redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        command.query_async(&mut connection).await.unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
