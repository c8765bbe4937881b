//! What a stack stands on: files in a temporary folder, or fresh databases on real servers.

mod cluster;
mod keeper;
mod programs;
mod redis;

use std::io;
use std::path::PathBuf;

use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;

pub use self::cluster::Cluster;
pub use self::keeper::{keep, shared_cluster};
pub use self::programs::{Program, binary, free_port};
pub use self::redis::Redis;

/// Names a running PostgreSQL whose role may create databases.
pub const DATABASE_URL: &str = "TEST_DATABASE_URL";
/// Names a running Redis; one of its numbered databases is leased for each stack.
pub const REDIS_URL: &str = "TEST_REDIS_URL";

/// The two kinds of ground the contract promises to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// SQLite files and in-memory stores: nothing else installed.
    Embedded,
    /// PostgreSQL and Redis.
    Real,
}

/// Why a back-end could not be had. Tests fail with it; they never skip.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// A program is not installed.
    #[error("`{0}` is not installed: install PostgreSQL and Redis servers, or set {DATABASE_URL} and {REDIS_URL}")]
    Missing(&'static str),
    /// A program of this workspace has not been built.
    #[error("`{0}` is not built: run `cargo build --workspace --bins` first")]
    NotBuilt(String),
    /// A program started and failed.
    #[error("{program} failed: {output}")]
    Failed {
        /// Which one.
        program: &'static str,
        /// What it wrote.
        output: String,
    },
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// PostgreSQL refused.
    #[error("PostgreSQL: {0}")]
    Postgres(#[from] sqlx::Error),
    /// Redis refused.
    #[error("Redis: {0}")]
    Redis(#[from] ::redis::RedisError),
}

/// The databases and the Redis of one stack, its own and empty.
#[derive(Debug)]
pub struct Ground {
    /// `users.database.url`.
    pub users: String,
    /// `accounts.database.url`.
    pub accounts: String,
    /// The Redis of all three services; `None` keeps their counters in memory.
    pub redis: Option<Redis>,
    /// The spool of users-service's mail.
    pub mail: PathBuf,
    folder: TempDir,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Files,
    Postgres { server: String, names: [String; 2] },
}

impl Ground {
    /// Fresh ground of the kind asked for.
    ///
    /// # Errors
    /// [`BackendError`] when a server is missing or refuses.
    pub async fn lay(backend: Backend) -> Result<Self, BackendError> {
        match backend {
            Backend::Embedded => Self::files(),
            Backend::Real => Self::servers().await,
        }
    }

    fn files() -> Result<Self, BackendError> {
        let folder = folder()?;
        let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
        Ok(Self {
            users: url("users.db"),
            accounts: url("accounts.db"),
            redis: None,
            mail: folder.path().join("mail"),
            folder,
            kind: Kind::Files,
        })
    }

    async fn servers() -> Result<Self, BackendError> {
        let server = match named(DATABASE_URL) {
            Some(url) => url,
            None => shared_cluster().await?,
        };
        let redis = Redis::fresh().await?;
        let tag = uuid::Uuid::new_v4().simple().to_string();
        let names = ["users", "accounts"].map(|service| format!("tollgate_{service}_{tag}"));
        let mut connection = connect(&server).await?;
        for name in &names {
            connection.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        }
        connection.close().await?;
        let [users, accounts] = names.each_ref().map(|name| with_database(&server, name));
        let folder = folder()?;
        let mail = folder.path().join("mail");
        Ok(Self { users, accounts, redis: Some(redis), mail, folder, kind: Kind::Postgres { server, names } })
    }

    /// Drops what [`Ground::lay`] created.
    ///
    /// # Errors
    /// When the server is gone or refuses.
    pub async fn clear(self) -> Result<(), BackendError> {
        if let Some(redis) = self.redis {
            redis.release().await?;
        }
        match self.kind {
            Kind::Files => Ok(self.folder.close()?),
            Kind::Postgres { server, names } => {
                let mut connection = connect(&server).await?;
                for name in names {
                    connection
                        .execute(sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
                        .await?;
                }
                Ok(connection.close().await?)
            }
        }
    }
}

fn folder() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("tollgate-stack-").tempdir()
}

/// The URL of a server that the environment names.
fn named(variable: &str) -> Option<String> {
    let env = shared::config::process_env();
    env.into_iter().find(|(name, value)| name == variable && !value.is_empty()).map(|(_, value)| value)
}

pub(crate) async fn connect(server: &str) -> Result<PgConnection, sqlx::Error> {
    let options: sqlx::postgres::PgConnectOptions = server.parse()?;
    options.disable_statement_logging().connect().await
}

/// The server's URL with another database in its path.
fn with_database(server: &str, name: &str) -> String {
    let (address, query) = server.split_once('?').map_or((server, None), |(address, query)| (address, Some(query)));
    let scheme_end = address.find("://").map_or(0, |at| at + 3);
    let host_end = address[scheme_end..].find('/').map_or(address.len(), |at| scheme_end + at);
    let url = format!("{}/{name}", &address[..host_end]);
    query.map_or_else(|| url.clone(), |query| format!("{url}?{query}"))
}
