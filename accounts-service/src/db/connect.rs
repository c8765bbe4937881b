//! From `database.url` to a pool, one back-end or the other.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel,
    SqliteTransactionMode, SqlxPostgresConnector, SqlxSqliteConnector, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::SchemaManager;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::migration::Migrator;
use super::replica::Replica;

/// Whose command migrates.
const SERVICE: &str = "accounts-service";

/// Taken by whoever changes the ledger as a whole: a migration, an import. Any number, as long as nobody else on the
/// database uses it for something else: "tollgate" in hexadecimal, cut.
pub(crate) const MIGRATION_LOCK: i64 = 0x746f_6c6c_6761;

/// How long a statement of a pool may run on PostgreSQL: whoever asked has been told 504 by then, or nearly, and others
/// wait for the connection.
const STATEMENT_PATIENCE: &str = "20s";

/// How long a SQLite writer waits for another.
const SQLITE_BUSY: Duration = Duration::from_secs(5);

/// How to reach the database, for whoever needs a connection outside the pool.
#[derive(Clone, Debug)]
pub enum Backend {
    /// A PostgreSQL server.
    Postgres(PgConnectOptions),
    /// A SQLite file.
    Sqlite(SqliteConnectOptions),
}

/// A database that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL names no database of ours.
    #[error("database.url: {0}")]
    Url(String),
    /// It cannot be reached or migrated.
    #[error(transparent)]
    Database(#[from] DbErr),
    /// The same, below the pool.
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// The folder of a SQLite file cannot be made.
    #[error("database.url: {0}")]
    Folder(#[from] std::io::Error),
}

/// The pool, and how to open one more connection beside it.
#[derive(Clone, Debug)]
pub struct Database {
    /// For everything but posting.
    pub pool: DatabaseConnection,
    /// For the posting engine.
    pub backend: Backend,
    /// For lists, if there is one.
    pub(super) replica: Option<Arc<Replica>>,
}

impl Backend {
    /// From `postgres://…` or `sqlite://path`.
    pub fn parse(url: &str) -> Result<Self, DatabaseError> {
        let wrong = |error: sqlx::Error| DatabaseError::Url(error.to_string());
        if url.split_once("://").is_some_and(|(scheme, rest)| scheme.starts_with("postgres") && rest.is_empty()) {
            return Err(DatabaseError::Url("name the server: postgres://user:password@host/database".to_owned()));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(wrong)?;
            return Ok(Self::Postgres(options.application_name("tollgate-accounts").options([("jit", "off")])));
        }
        if url.starts_with("sqlite:") {
            if !names_a_file(url) {
                return Err(DatabaseError::Url("name a file that lasts: sqlite://<path>".to_owned()));
            }
            let options = SqliteConnectOptions::from_str(url).map_err(wrong)?;
            return Ok(Self::Sqlite(
                options
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(SQLITE_BUSY),
            ));
        }
        Err(DatabaseError::Url("begin it with postgres:// or sqlite://".to_owned()))
    }

    async fn pool(&self, size: u32) -> Result<DatabaseConnection, DatabaseError> {
        match self {
            Self::Postgres(options) => {
                let pool = PgPoolOptions::new()
                    .max_connections(size)
                    .test_before_acquire(false)
                    .acquire_timeout(Duration::from_secs(5))
                    .connect_with(by_index(options))
                    .await?;
                Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
            }
            Self::Sqlite(options) => {
                if let Some(folder) = options.get_filename().parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    std::fs::create_dir_all(folder)?;
                }
                let pool = SqlitePoolOptions::new()
                    .max_connections(size)
                    .acquire_timeout(Duration::from_secs(10))
                    .connect_with(options.clone())
                    .await?;
                Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
            }
        }
    }
}

/// A transaction that only reads, and sees nothing that commits after it began.
///
/// # Errors
/// When the database cannot be asked.
pub async fn snapshot(pool: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let postgres = pool.get_database_backend() == DbBackend::Postgres;
    let options = TransactionOptions {
        // SQLite's transactions are snapshots by themselves.
        isolation_level: postgres.then_some(IsolationLevel::RepeatableRead),
        access_mode: postgres.then_some(AccessMode::ReadOnly),
        sqlite_transaction_mode: None,
    };
    pool.begin_with_options(options).await
}

/// One connection that only reads, to a database that is there, for questions about all of it: those are planned freely, and
/// nothing limits their time.
///
/// # Errors
/// When the URL names no database of ours, or it cannot be reached.
pub async fn reader(url: &str) -> Result<DatabaseConnection, DatabaseError> {
    match Backend::parse(url)? {
        Backend::Postgres(options) => {
            let options = options.options([
                ("default_transaction_read_only", "on"),
                ("statement_timeout", "0"),
                ("idle_in_transaction_session_timeout", "0"),
            ]);
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
            Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_with(options).await?))
        }
        Backend::Sqlite(options) => {
            let options = options.create_if_missing(false).read_only(true);
            let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(10));
            Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.connect_with(options).await?))
        }
    }
}

/// What a pool's connections are opened with. Every question there is for rows of an index: planned anew for each one's
/// values, a plan over the tables of all months takes longer than its answer; and while a month fills, before anything
/// has counted its rows, a plan that was made when it was empty would read all of them.
///
/// Whoever hangs in the middle of a change must not hold the chain's head for longer than others wait for it, and what was
/// answered lasts, whatever the server's defaults are.
pub(super) fn by_index(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options([
        ("synchronous_commit", "on"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("statement_timeout", STATEMENT_PATIENCE),
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("enable_bitmapscan", "off"),
        ("enable_hashjoin", "off"),
        ("enable_mergejoin", "off"),
    ])
}

/// Without a file's name, and in memory, the ledger would end with the process.
fn names_a_file(url: &str) -> bool {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let (path, options) = path.split_once('?').unwrap_or((path, ""));
    !path.is_empty() && path != ":memory:" && !options.contains("mode=memory")
}

impl Database {
    /// Connects a pool of at most `size` connections.
    pub async fn connect(url: &str, size: u32) -> Result<Self, DatabaseError> {
        let backend = Backend::parse(url)?;
        let pool = backend.pool(size).await?;
        Ok(Self { pool, backend, replica: None })
    }

    /// Brings the schema up to date, or looks whether whoever has to has done so.
    pub async fn prepare(&self, migrate: bool) -> Result<(), DatabaseError> {
        if migrate {
            return self.migrate().await;
        }
        let schema = Migrator::look(&SchemaManager::new(&self.pool)).await?;
        schema.require(SERVICE).map_err(|unready| DbErr::Custom(unready.to_string()).into())
    }

    /// Applies every migration that is missing. On PostgreSQL one instance at a time, by an advisory lock that its
    /// transaction holds: sea-orm-migration itself takes none. Where none is missing nothing is locked, and no right is
    /// needed but that to read.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        if !Migrator::look(&SchemaManager::new(&self.pool)).await?.is_behind() {
            return Ok(());
        }
        let transaction = self.write().await?;
        if matches!(self.backend, Backend::Postgres(_)) {
            // A migration takes what it takes, and so does waiting for somebody else's.
            transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
            transaction.execute_unprepared("SET LOCAL lock_timeout = 0").await?;
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            transaction.execute_unprepared(&lock).await?;
        }
        Migrator::apply(&transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// A transaction that is going to write. SQLite takes its write lock at once: a reader that turns writer fails.
    pub async fn write(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            isolation_level: None,
            // Not demanded: a standby refuses that as it refuses nonsense (0A000), and a write by its own code (25006).
            access_mode: None,
            sqlite_transaction_mode: matches!(self.backend, Backend::Sqlite(_))
                .then_some(SqliteTransactionMode::Immediate),
        };
        self.pool.begin_with_options(options).await
    }

    /// A transaction that reads everything as of one moment.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        snapshot(&self.pool).await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.pool.ping().await
    }
}
