//! The thread that the three services live on, from their configurations to their stop.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use shared::config::ConfigErrors;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::Credentials;
use super::services::live;

/// Worker threads beside the services' own HTTP workers: database pools and background tasks run there.
const THREADS: usize = 2;

/// Sockets bound before anything starts, so that every address is known and a taken port is found first.
#[derive(Debug)]
pub(super) struct Listeners {
    pub users: TcpListener,
    pub accounts: TcpListener,
    pub gateway: TcpListener,
    pub admin: TcpListener,
}

impl Listeners {
    pub(super) fn on_free_ports() -> io::Result<Self> {
        let free = || TcpListener::bind(("127.0.0.1", 0));
        Ok(Self { users: free()?, accounts: free()?, gateway: free()?, admin: free()? })
    }

    /// In the order users, accounts, gateway, admin.
    pub(super) fn addrs(&self) -> io::Result<[SocketAddr; 4]> {
        Ok([
            self.users.local_addr()?,
            self.accounts.local_addr()?,
            self.gateway.local_addr()?,
            self.admin.local_addr()?,
        ])
    }
}

/// Everything a start needs.
#[derive(Debug)]
pub(super) struct Plan {
    pub env: Vec<(String, String)>,
    pub gateway_file: Option<PathBuf>,
    pub listeners: Listeners,
    /// Whether accounts-service runs here.
    pub accounts: bool,
}

/// Why the system did not start.
#[derive(Debug)]
pub enum StackError {
    /// Every mistake in every configuration.
    Config(Vec<ConfigErrors>),
    /// A service refused to start.
    Start(&'static str, String),
    /// A service ended without being told to.
    Ended(&'static str),
    /// The operating system refused.
    Io(io::Error),
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(errors) => errors.iter().try_for_each(|error| writeln!(f, "{error}")),
            Self::Start(service, error) => write!(f, "{service}: {error}"),
            Self::Ended(service) => write!(f, "{service} ended unexpectedly"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StackError {}

impl From<io::Error> for StackError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Engine {
    stop: oneshot::Sender<Duration>,
    thread: JoinHandle<Result<(), StackError>>,
}

/// The administrator that a first start made up.
pub(super) type Bootstrap = Option<Credentials>;

impl Engine {
    /// Starts all services and returns when they listen.
    pub(super) async fn start(plan: Plan) -> Result<(Self, Bootstrap), StackError> {
        let (stop, stopped) = oneshot::channel();
        let (started, ready) = oneshot::channel();
        let thread = std::thread::Builder::new().name("stack".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
            LocalSet::new().block_on(&runtime, live(plan, started, stopped))
        })?;
        match ready.await {
            Ok(bootstrap) => Ok((Self { stop, thread }, bootstrap)),
            Err(_) => Err(thread
                .join()
                .map_or(StackError::Ended("the stack"), |end| end.err().unwrap_or(StackError::Ended("the stack")))),
        }
    }

    /// Drains for up to `grace`, then returns when nothing runs any more.
    pub(super) fn stop(self, grace: Duration) {
        // A thread that has ended already needs no word.
        let _ = self.stop.send(grace);
        drop(self.thread.join());
    }

    /// Waits for an end nobody asked for, or for `signal`; drains for up to `grace`.
    pub(super) async fn run_until(self, signal: impl Future<Output = ()>, grace: Duration) -> Result<(), StackError> {
        let Self { mut stop, thread } = self;
        tokio::select! {
            () = signal => {
                let _ = stop.send(grace);
            }
            () = stop.closed() => {}
        }
        tokio::task::spawn_blocking(|| thread.join())
            .await
            .map_err(io::Error::other)?
            .unwrap_or(Err(StackError::Ended("the stack")))
    }
}

/// Runs a future to its end on this thread.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    Some(runtime.block_on(future))
}
