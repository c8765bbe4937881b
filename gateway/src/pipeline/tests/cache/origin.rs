//! An upstream whose answers a test writes, with a clock that the test moves, behind a gateway that keeps them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::header::HeaderMap;
use shared::clock::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::super::harness::*;

/// What the upstream does with a request.
pub enum Act {
    /// Answers.
    Say(String),
    /// Says so much and closes the connection.
    Cut(String),
    /// Says the first part, and the second when the test has let go.
    Wait(String, String),
    /// Closes the connection when nobody can come any more.
    Vanish,
}

/// A 200 with these header lines.
pub fn ok(headers: &str, body: &str) -> Act {
    Act::Say(text("200 OK", headers, body))
}

/// Any answer.
pub fn say(status: &str, headers: &str) -> Act {
    Act::Say(text(status, headers, ""))
}

pub fn text(status: &str, headers: &str, body: &str) -> String {
    let lines: String = headers.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    format!("HTTP/1.1 {status}\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len())
}

type Reply = dyn Fn(usize, &str) -> Act + Send + Sync;

/// The upstream.
pub struct Origin {
    pub addr: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    held: watch::Sender<bool>,
}

impl Origin {
    /// `reply` is told how many requests there were before, and the request's head.
    pub async fn start(reply: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin =
            Self { addr: listener.local_addr().unwrap(), heads: Arc::default(), held: watch::Sender::new(true) };
        let (heads, held, reply) = (Arc::clone(&origin.heads), origin.held.clone(), Arc::new(reply));
        let (leave, leaving) = watch::channel(false);
        tokio::spawn(async move {
            let mut left = leaving.clone();
            loop {
                let (stream, _) = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap(),
                    _ = left.wait_for(|left| *left) => return drop(listener),
                };
                let (heads, held, reply) = (Arc::clone(&heads), held.subscribe(), Arc::clone(&reply));
                let leave = leave.clone();
                tokio::spawn(async move { serve(stream, &heads, held, &*reply, &leave).await });
            }
        });
        origin
    }

    pub fn calls(&self) -> usize {
        self.heads.lock().len()
    }

    /// The last request's head.
    pub fn last(&self) -> String {
        self.heads.lock().last().cloned().unwrap_or_default()
    }

    /// Waits until so many requests have come.
    pub async fn called(&self, calls: usize) {
        within(async {
            while self.calls() < calls {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Lets all answers go that wait.
    pub fn let_go(&self) {
        self.held.send_replace(false);
    }
}

async fn serve(
    mut stream: TcpStream,
    heads: &Mutex<Vec<String>>,
    mut held: watch::Receiver<bool>,
    reply: &Reply,
    leave: &watch::Sender<bool>,
) {
    loop {
        let head = read_head(&mut stream).await;
        if head.is_empty() {
            return;
        }
        let number = {
            let mut heads = heads.lock();
            heads.push(head.to_ascii_lowercase());
            heads.len() - 1
        };
        match reply(number, &head.to_ascii_lowercase()) {
            Act::Say(text) => write(&mut stream, &text).await,
            Act::Cut(text) => return write(&mut stream, &text).await,
            Act::Vanish => {
                leave.send_replace(true);
                // The listener goes with the task that has the last receiver.
                return leave.closed().await;
            }
            Act::Wait(first, second) => {
                write(&mut stream, &first).await;
                let mut gone = [0];
                tokio::select! {
                    _ = held.wait_for(|held| !held) => {}
                    // The gateway has closed the connection.
                    _ = stream.peek(&mut gone) => return,
                }
                write(&mut stream, &second).await;
            }
        }
    }
}

/// An answer as the client got it.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Got {
    pub async fn of(answer: reqwest::Response) -> Self {
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Self { status, headers, body: within(answer.text()).await.unwrap_or_default() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What the cache says of it.
    pub fn cache(&self) -> &str {
        self.header("cache-status")
    }

    pub fn is_hit(&self) -> bool {
        self.cache().starts_with("tollgate; hit")
    }
}

/// The upstream `raw`, and further ones, in which `@` stands for its address.
pub fn all(origin: &Origin, further: &str) -> String {
    let raw = format!("{{ name = \"raw\", url = \"http://{}\", assertion = true }}", origin.addr);
    if further.is_empty() { raw } else { [raw, further.replace('@', &origin.addr.to_string())].join(", ") }
}

/// Rows under settings with which nothing but the cache decides.
pub fn settled(rows: &str) -> String {
    format!("rate_limit.enabled = false\nbreaker.consecutive_failures = 0\nbreaker.failure_percent = 0\n{rows}\n")
}

/// A gateway that keeps answers of `/api/c/**`.
pub struct Cached {
    pub gate: Gate,
    pub origin: Origin,
    pub clock: Clock,
}

impl Cached {
    /// `settings` are laid over the mode `honour`.
    pub async fn start(settings: &str, reply: impl Fn(usize, &str) -> Act + Send + Sync + 'static) -> Self {
        Self::with(&format!("mode = \"honour\"{settings}"), "", "", reply).await
    }

    /// `settings` of the cache, further keys of the route, and whatever else.
    pub async fn with(
        settings: &str,
        route: &str,
        more: &str,
        reply: impl Fn(usize, &str) -> Act + Send + Sync + 'static,
    ) -> Self {
        let auth = if route.contains("auth =") { "" } else { "auth = \"none\"\n" };
        let row = format!(
            "{more}\n[[routes]]\npath = \"/api/c/**\"\nupstream = \"raw\"\ntimeout = \"15s\"\ncache = {{ {settings} }}\n{auth}{route}\n"
        );
        Self::among("", &row, reply).await
    }

    /// A gateway with rows and further upstreams of one's own; in these `@` stands for the upstream's address.
    pub async fn among(
        upstreams: &str,
        rows: &str,
        reply: impl Fn(usize, &str) -> Act + Send + Sync + 'static,
    ) -> Self {
        let (origin, clock) = (Origin::start(reply).await, Clock::manual(Clock::system().now()));
        let (upstreams, more) = (all(&origin, upstreams), settled(rows));
        let gate = Gate::at(clock.clone(), &upstreams, &more).await;
        Self { gate, origin, clock }
    }

    pub async fn get(&self, path: &str) -> Got {
        self.ask(path, &[]).await
    }

    pub async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        self.call(reqwest::Method::GET, path, headers).await
    }

    pub async fn call(&self, method: reqwest::Method, path: &str, headers: &[(&str, &str)]) -> Got {
        let request = self.gate.client.request(method, self.gate.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Got::of(within(request.send()).await.unwrap()).await
    }

    pub fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Asks until the answer is what the test waits for.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Got) -> bool) -> Got {
        within(async {
            loop {
                let got = self.get(path).await;
                if wanted(&got) {
                    return got;
                }
            }
        })
        .await
    }

    pub async fn metric(&self, line: &str) -> u64 {
        let text = self.gate.client.get(format!("http://{}/metrics", self.gate.admin)).send().await.unwrap();
        let (name, text) = (format!("tollgate_gateway_{line} "), text.text().await.unwrap());
        text.lines().find_map(|line| line.strip_prefix(name.as_str())?.parse().ok()).unwrap_or(0)
    }
}
