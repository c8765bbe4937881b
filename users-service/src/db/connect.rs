//! From `database.url` to a pool, on one back-end or the other.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector, SqlxSqliteConnector};
use sea_orm_migration::MigratorTrait;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::Mutex;

use super::fault::Fault;
use super::migration::Migrator;
use super::write::Write;
use crate::audit::Tally;
use crate::config;

/// The advisory lock held while migrating: any number, as long as nobody else on the database uses it.
const MIGRATION_LOCK: i64 = 0x746f_6c6c_7573;

/// How long a SQLite writer waits for another process's.
const SQLITE_BUSY: Duration = Duration::from_secs(5);

/// Idle connections are closed after this, so that a quiet service is a small one.
const IDLE: Duration = Duration::from_secs(300);

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A PostgreSQL server.
    Postgres,
    /// A SQLite file.
    Sqlite,
}

/// The pool. Clones share it.
#[derive(Clone, Debug)]
pub struct Database {
    pool: DatabaseConnection,
    kind: Kind,
    /// SQLite has one writer; in this process it is whoever holds this, so that waiting is fair and not by polling.
    gate: Arc<Mutex<()>>,
    tally: Tally,
}

impl Database {
    /// Connects.
    ///
    /// # Errors
    /// When the URL is none of ours, or the database cannot be reached.
    pub async fn connect(config: &config::Database) -> Result<Self, Fault> {
        let url = config.url.expose();
        let (pool, kind) = if url.starts_with("sqlite:") {
            (sqlite(url, config).await?, Kind::Sqlite)
        } else {
            (postgres(url, config).await?, Kind::Postgres)
        };
        Ok(Self { pool, kind, gate: Arc::new(Mutex::new(())), tally: Tally::default() })
    }

    /// For statements that only read.
    #[must_use]
    pub const fn read(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Which back-end it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Counts the security events that are committed.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A transaction that is going to write.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn write(&self) -> Result<Write, Fault> {
        let turn = match self.kind {
            Kind::Postgres => None,
            Kind::Sqlite => Some(Arc::clone(&self.gate).lock_owned().await),
        };
        Write::begin(&self.pool, self.kind, self.tally.clone(), turn).await
    }

    /// Applies every migration that is missing, one process at a time: sea-orm-migration itself takes no lock, so on
    /// PostgreSQL the transaction around it holds an advisory one; on SQLite the write lock does.
    ///
    /// # Errors
    /// When a statement fails; then nothing is changed.
    pub async fn migrate(&self) -> Result<(), Fault> {
        let write = self.write().await?;
        if self.kind == Kind::Postgres {
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            write.execute_unprepared(&lock).await?;
        }
        Migrator::up(write.transaction(), None).await?;
        write.commit().await
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// What keeps it from answering.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.pool.ping().await.map_err(Fault::from)
    }

    /// Closes every connection.
    pub async fn close(&self) {
        if let Err(error) = self.pool.clone().close().await {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

async fn postgres(url: &str, config: &config::Database) -> Result<DatabaseConnection, Fault> {
    let options = PgConnectOptions::from_str(url)?.application_name("tollgate-users");
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout.get())
        .idle_timeout(IDLE)
        .connect_with(options)
        .await?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

async fn sqlite(url: &str, config: &config::Database) -> Result<DatabaseConnection, Fault> {
    let options = SqliteConnectOptions::from_str(url)?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(SQLITE_BUSY);
    if let Some(folder) = options.get_filename().parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| DbErr::Custom(error.to_string()))?;
    }
    let pool = SqlitePoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout.get())
        .idle_timeout(IDLE)
        .connect_with(options)
        .await?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}
