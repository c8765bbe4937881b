//! One service per test, on a database of its own, torn down whatever happens.

use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use accounts_service::{Config, Deps, Handle, build};
use futures_util::FutureExt;
use shared::clock::Clock;

use crate::client::Client;
use crate::postgres::Database;

/// The secret that the client signs assertions with.
pub const SECRET: &str = "a secret of thirty-two bytes or more";

#[derive(Clone, Copy)]
pub enum Which {
    Sqlite,
    Postgres,
}

/// A running service.
pub struct Stack {
    pub client: Client,
    pub url: String,
    handle: Handle,
    running: tokio::task::JoinHandle<std::io::Result<()>>,
}

enum Home {
    Folder(PathBuf),
    Database(Database),
}

/// Runs `test` against a fresh service on `which`.
pub fn run<F: Future<Output = ()>>(which: Which, test: impl FnOnce(std::rc::Rc<Stack>) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (home, url) = Home::make(which).await;
        let stack = std::rc::Rc::new(Stack::start(url).await);
        let outcome = AssertUnwindSafe(test(std::rc::Rc::clone(&stack))).catch_unwind().await;
        if let Ok(stack) = std::rc::Rc::try_unwrap(stack) {
            stack.stop().await;
        }
        home.remove().await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

impl Home {
    async fn make(which: Which) -> (Self, String) {
        match which {
            Which::Sqlite => {
                let folder = std::env::temp_dir().join(format!("tollgate-sqlite-{}", uuid::Uuid::new_v4().simple()));
                let url = format!("sqlite://{}/accounts.db", folder.display());
                (Self::Folder(folder), url)
            }
            Which::Postgres => {
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
        let set = |name: &str, value: &str| (format!("TOLLGATE_ACCOUNTS__{name}"), value.to_owned());
        let env = [set("DATABASE__URL", &url), set("IDENTITY__SECRET", SECRET), set("SERVER__WORKERS", "2")];
        let config = Config::load(None, &env).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = build(config, Deps { clock: Clock::system() }, listener).await.unwrap();
        let client = Client::new(service.addr);
        let handle = service.handle();
        let running = tokio::spawn(service.run());
        Self { client, url, handle, running }
    }

    pub async fn stop(self) {
        drop(self.client);
        self.handle.stop(Duration::from_secs(5)).await;
        self.running.await.unwrap().unwrap();
    }
}
