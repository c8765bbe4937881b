//! One service per test, on a database of its own, torn down whatever happens.

use std::net::{SocketAddr, TcpListener};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use accounts_service::{Config, Deps, Handle, build};
use futures_util::FutureExt;
use shared::clock::Clock;

use crate::client::Client;
use crate::postgres::Database;
use crate::process::Process;

/// The secret that the client signs assertions with.
pub const SECRET: &str = "a secret of thirty-two bytes or more";

#[derive(Clone, Copy)]
pub enum Which {
    Sqlite,
    Postgres,
    /// PostgreSQL, and two processes on it.
    Shared,
}

/// A running service.
pub struct Stack {
    pub client: Client,
    pub url: String,
    addr: SocketAddr,
    handle: Handle,
    running: tokio::task::JoinHandle<std::io::Result<()>>,
    other: Option<Process>,
}

enum Home {
    Folder(PathBuf),
    Database(Database),
}

/// Runs `test` against a fresh service on `which`.
pub fn run<F: Future<Output = ()>>(which: Which, test: impl FnOnce(std::rc::Rc<Stack>) -> F) {
    on_database(which, async |url| {
        let mut stack = Stack::start(url).await;
        if matches!(which, Which::Shared) {
            stack.join().await;
        }
        let stack = std::rc::Rc::new(stack);
        let outcome = AssertUnwindSafe(test(std::rc::Rc::clone(&stack))).catch_unwind().await;
        if let Ok(stack) = std::rc::Rc::try_unwrap(stack) {
            stack.stop().await;
        }
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Runs `test` with the URL of an empty database on `which`.
pub fn on_database(which: Which, test: impl AsyncFnOnce(String)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(with_database(which, test));
}

/// The same within a test that runs already.
pub async fn with_database(which: Which, test: impl AsyncFnOnce(String)) {
    let (home, url) = Home::make(which).await;
    let outcome = AssertUnwindSafe(test(url)).catch_unwind().await;
    home.remove().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

impl Home {
    async fn make(which: Which) -> (Self, String) {
        match which {
            Which::Sqlite => {
                let folder = std::env::temp_dir().join(format!("tollgate-sqlite-{}", uuid::Uuid::new_v4().simple()));
                let url = format!("sqlite://{}/accounts.db", folder.display());
                (Self::Folder(folder), url)
            }
            Which::Postgres | Which::Shared => {
                let database = Database::create().await;
                let url = database.url.clone();
                (Self::Database(database), url)
            }
        }
    }

    async fn remove(self) {
        match self {
            Self::Folder(folder) => drop(std::fs::remove_dir_all(folder)),
            Self::Database(database) => database.remove().await,
        }
    }
}

impl Stack {
    /// Another service on the same database, as a second instance would be.
    pub async fn start(url: String) -> Self {
        Self::set(url, &[]).await
    }

    /// The same with more settings.
    pub async fn set(url: String, more: &[(&str, &str)]) -> Self {
        Self::start_by(url, Clock::system(), more).await
    }

    /// The same by `clock`, which its client goes by, too.
    pub async fn start_by(url: String, clock: Clock, more: &[(&str, &str)]) -> Self {
        let set = |name: &str, value: &str| (format!("TOLLGATE_ACCOUNTS__{name}"), value.to_owned());
        let own = [("DATABASE__URL", url.as_str()), ("IDENTITY__SECRET", SECRET), ("SERVER__WORKERS", "2")];
        let env: Vec<_> = own.iter().chain(more).map(|(name, value)| set(name, value)).collect();
        let config = Config::load(None, &env).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = build(config, Deps { clock: clock.clone() }, listener).await.unwrap();
        let (addr, client) = (service.addr, Client::by(&[service.addr], clock));
        let handle = service.handle();
        let running = tokio::spawn(service.run());
        Self { client, url, addr, handle, running, other: None }
    }

    /// Starts a second process on the same database; from now on the client asks both in turn.
    async fn join(&mut self) {
        let other = Process::start(&self.url).await;
        self.client = Client::of(&[self.addr, other.addr]);
        self.other = Some(other);
    }

    pub async fn stop(self) {
        drop((self.client, self.other));
        self.handle.stop(Duration::from_secs(5)).await;
        self.running.await.unwrap().unwrap();
    }
}
