//! A gateway on free ports, and an upstream made of a bare socket.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use shared::clock::Clock;
use shared::store::Stores;
use shared::telemetry::LogLevel;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::reload::Source;
use crate::{Config, Deps, Handle, build};

/// Long enough for a slow machine; nothing waits this long when it works.
const PATIENCE: Duration = Duration::from_secs(40);

/// How often a gateway looks at its file here: soon after each edit, and seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(50);

pub const SECRET: &str = "an assertion secret for the tests, long enough";

pub struct Gate {
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    pub redirect: Option<SocketAddr>,
    pub handle: Handle,
    pub client: reqwest::Client,
    /// What it shares with other instances, and where revocations are published.
    pub stores: Stores,
    file: PathBuf,
    dead: SocketAddr,
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

impl Gate {
    /// A gateway whose route `/t/**` leads to `upstream`; `more` is laid over the configuration.
    pub async fn start(upstream: SocketAddr, more: &str) -> Self {
        let raw = format!("{{ name = \"raw\", url = \"http://{upstream}\", assertion = true }}");
        Self::among(&raw, more).await
    }

    /// The same with these upstreams, among which is one of the name `raw`.
    pub async fn among(upstreams: &str, more: &str) -> Self {
        Self::at(Clock::system(), upstreams, more).await
    }

    /// The same under a clock of one's own.
    pub async fn at(clock: Clock, upstreams: &str, more: &str) -> Self {
        let stores = Stores::memory(clock.clone());
        Self::on(stores, clock, upstreams, more).await
    }

    /// The same on stores of one's own.
    pub async fn on(stores: Stores, clock: Clock, upstreams: &str, more: &str) -> Self {
        let dead = *NOBODY;
        Self::under(stores, clock, &settings(upstreams, dead, more), dead).await
    }

    /// A gateway with this configuration, for whose services somebody dead may stand in.
    pub async fn with(text: &str, dead: SocketAddr) -> Self {
        let clock = Clock::system();
        Self::under(Stores::memory(clock.clone()), clock, text, dead).await
    }

    async fn under(stores: Stores, clock: Clock, text: &str, dead: SocketAddr) -> Self {
        let file = std::env::temp_dir().join(format!("tollgate-pipeline-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&file, text).unwrap();
        let env = [("IDENTITY__SECRET", SECRET), ("SERVER__WORKERS", "2")];
        let env: Vec<_> =
            env.iter().map(|(key, value)| (format!("TOLLGATE_GATEWAY__{key}"), (*value).to_owned())).collect();
        let config = Config::load(Some(&file), &env).unwrap();
        let listen = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let source = Source { file: Some(file.clone()), env, look: LOOK };
        let deps = Deps { stores: stores.clone(), log: LogLevel::default(), source, clock };
        let service = build(config, deps, listen(), listen()).await.unwrap();
        let (addr, admin, handle) = (service.addr, service.admin_addr, service.handle());
        let redirect = service.redirect_addr;
        tokio::spawn(service.run());
        Self {
            addr,
            admin,
            redirect,
            handle,
            client: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            stores,
            file,
            dead,
        }
    }

    /// Writes another configuration over the one in force, by renaming as careful tools do.
    pub fn rewrite(&self, upstreams: &str, more: &str) {
        self.overwrite(&settings(upstreams, self.dead, more));
    }

    /// Writes this over the configuration.
    pub fn overwrite(&self, text: &str) {
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, &self.file).unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        within(self.client.get(self.url(path)).send()).await.unwrap()
    }

    /// The number behind a name and its labels in a scrape; `None`: it is not there.
    pub async fn metric(&self, name: &str) -> Option<u64> {
        let text = self.client.get(format!("http://{}/metrics", self.admin)).send().await.unwrap();
        let (name, text) = (format!("tollgate_gateway_{name} "), text.text().await.unwrap());
        text.lines().find_map(|line| line.strip_prefix(name.as_str())?.parse().ok())
    }

    /// A connection on which the test writes its own bytes.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }
}

fn settings(upstreams: &str, dead: SocketAddr, more: &str) -> String {
    // Most tests count what an upstream sees.
    let once = if more.contains("upstream.retry.") { "" } else { "upstream.retry.attempts = 0\n" };
    format!(
        "upstreams = [{upstreams}]\n{once}\
         services.users.url = \"http://{dead}\"\nservices.accounts.url = \"http://{dead}\"\n{more}\n\
         [[routes]]\npath = \"/api/t/**\"\nupstream = \"raw\"\nauth = \"none\"\nlimited = false\nbody = 100000\ntimeout = \"5s\"\n\
         [[routes]]\npath = \"/api/users/**\"\nupstream = \"users\"\n"
    )
}

/// Sockets with a port that nobody listens on. They are kept: a port that is given back may be another test's the next
/// moment, and whoever calls the dead then calls that.
static DEAD: Mutex<Vec<Socket>> = Mutex::new(Vec::new());

/// The one that stands in for whatever a test does not care about.
static NOBODY: LazyLock<SocketAddr> = LazyLock::new(bury);

fn bury() -> SocketAddr {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    DEAD.lock().push(socket);
    addr
}

/// An address that refuses connections, and no other test's.
pub async fn dead() -> SocketAddr {
    let addr = bury();
    assert_eq!(TcpStream::connect(addr).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    addr
}

pub struct Upstream {
    listener: TcpListener,
}

impl Upstream {
    pub async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Whether nobody has connected since the last one that was accepted.
    pub fn is_left_alone(&self) -> bool {
        self.listener.accept().now_or_never().is_none()
    }

    /// The next connection, and the head of the request on it.
    pub async fn accept(&self) -> (TcpStream, String) {
        let (mut stream, _) = within(self.listener.accept()).await.unwrap();
        let head = read_head(&mut stream).await;
        (stream, head)
    }
}

/// Reads up to and including the empty line, and what follows it as far as it has come.
pub async fn read_head(stream: &mut TcpStream) -> String {
    read_until(stream, |text| text.contains("\r\n\r\n")).await
}

/// Reads until what has come satisfies `enough`, or the other side closes.
pub async fn read_until(stream: &mut TcpStream, enough: impl Fn(&str) -> bool) -> String {
    let mut text = Vec::new();
    within(async {
        let mut piece = [0; 4096];
        loop {
            let read = stream.read(&mut piece).await.unwrap_or(0);
            text.extend_from_slice(&piece[..read]);
            if read == 0 || enough(&String::from_utf8_lossy(&text)) {
                return;
            }
        }
    })
    .await;
    String::from_utf8_lossy(&text).into_owned()
}

/// Everything until the other side closes.
pub async fn read_all(stream: &mut TcpStream) -> String {
    read_until(stream, |_| false).await
}

pub async fn write(stream: &mut TcpStream, text: &str) {
    within(stream.write_all(text.as_bytes())).await.unwrap();
}

/// Waits, but not for ever.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => std::process::abort(),
    }
}

/// Waits until something is so, but not for ever.
pub async fn until(mut is_so: impl FnMut() -> bool) {
    eventually(async || is_so()).await;
}

/// The same for something that has to be asked.
pub async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    within(async {
        while !is_so().await {
            tick.tick().await;
        }
    })
    .await;
}
