//! From `database.url` to a pool, on one back-end or the other.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::Mutex;

use super::fault::Fault;
use super::migration::Migrator;
use super::write::Write;
use crate::audit::Tally;
use crate::config;
use crate::users::UserCache;

/// The advisory lock held while migrating: any number, as long as nobody else on the database uses it.
const MIGRATION_LOCK: i64 = 0x746f_6c6c_7573;

/// How long a SQLite writer waits for another process's.
const SQLITE_BUSY: Duration = Duration::from_secs(5);

/// One instance that stands still in a transaction must not hold up all the others, who want the head of the audit: they
/// wait for a lock so long, and the server ends the transaction, or the connection to a machine that is gone.
const POSTGRES_TIMES: [(&str, &str); 4] = [
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_user_timeout", "10s"),
];

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

/// For what one connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Write,
    Read,
}

/// The pool. Clones share it.
#[derive(Clone, Debug)]
pub struct Database {
    pool: DatabaseConnection,
    kind: Kind,
    /// SQLite has one writer; in this process it is whoever holds this, so that waiting is fair and not by polling.
    gate: Arc<Mutex<()>>,
    tally: Tally,
    cache: UserCache,
}

impl Database {
    /// Connects.
    ///
    /// # Errors
    /// When the URL is none of ours, or the database cannot be reached.
    pub async fn connect(config: &config::Database) -> Result<Self, Fault> {
        Self::open(config, Access::Write).await
    }

    /// Connects to look: nothing is made where nothing is, and nothing can be changed.
    ///
    /// # Errors
    /// When the URL is none of ours, there is no such database, or it cannot be reached.
    pub async fn connect_to_read(config: &config::Database) -> Result<Self, Fault> {
        Self::open(config, Access::Read).await
    }

    async fn open(config: &config::Database, access: Access) -> Result<Self, Fault> {
        let url = config.url.expose();
        let (pool, kind) = if url.starts_with("sqlite:") {
            (sqlite(url, config, access).await?, Kind::Sqlite)
        } else {
            (postgres(url, config, access).await?, Kind::Postgres)
        };
        Ok(Self { pool, kind, gate: Arc::new(Mutex::new(())), tally: Tally::default(), cache: UserCache::default() })
    }

    /// The same database with a cache that every commit tells whom it changes.
    #[must_use]
    pub fn caching(self, cache: UserCache) -> Self {
        Self { cache, ..self }
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
        Write::begin(&self.pool, self.kind, self.tally.clone(), self.cache.clone(), turn).await
    }

    /// Applies every migration that is missing, one process at a time: sea-orm-migration itself takes no lock, so on
    /// PostgreSQL the transaction around it holds an advisory one; on SQLite the write lock does.
    ///
    /// # Errors
    /// When a statement fails; then nothing is changed.
    pub async fn migrate(&self) -> Result<(), Fault> {
        let write = self.write().await?;
        if self.kind == Kind::Postgres {
            // A migration may take its time, and the instances that start meanwhile wait for it.
            write.patience(Some(Duration::ZERO)).await?;
            let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
            write.execute_unprepared(&lock).await?;
        }
        Migrator::apply(write.transaction()).await?;
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

async fn postgres(url: &str, config: &config::Database, access: Access) -> Result<DatabaseConnection, Fault> {
    let options = PgConnectOptions::from_str(url)?.application_name("tollgate-users").options(POSTGRES_TIMES);
    let options = match access {
        Access::Write => options,
        Access::Read => options.options([("default_transaction_read_only", "on")]),
    };
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout.get())
        .idle_timeout(IDLE)
        .connect_with(options)
        .await?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

async fn sqlite(url: &str, config: &config::Database, access: Access) -> Result<DatabaseConnection, Fault> {
    let options = SqliteConnectOptions::from_str(url)?.foreign_keys(true).busy_timeout(SQLITE_BUSY);
    let options = match access {
        Access::Write => {
            if let Some(folder) = options.get_filename().parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).map_err(|error| DbErr::Custom(error.to_string()))?;
            }
            let options = options.create_if_missing(true).synchronous(SqliteSynchronous::Full);
            options.journal_mode(SqliteJournalMode::Wal)
        }
        Access::Read => options.create_if_missing(false).read_only(true),
    };
    let pool = SqlitePoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout.get())
        .idle_timeout(IDLE)
        .connect_with(options)
        .await?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Backend, Setup, on_both};

    on_both! {
        a_release_starts_on_the_schema_of_a_newer_one,
    }

    async fn a_release_starts_on_the_schema_of_a_newer_one(backend: Backend) {
        let ground = Setup::on(backend).start().await.halt().await;
        ground.run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)").await;
        let service = Setup::on(backend).start_on(ground).await;
        service.person("adalovelace").await;
        assert_eq!(
            service.ground.count("SELECT count(*) FROM seaql_migrations WHERE version = 'm9999_later'").await,
            1
        );
        // Another line's: what this release would add may be there already, or never fit.
        service.ground.run("DELETE FROM seaql_migrations WHERE version = 'm2026_11_21_000010_data'").await;
        let database = crate::testing::database(&service.ground).await;
        let refused = database.migrate().await.unwrap_err().to_string();
        database.close().await;
        assert!(refused.contains("does not know (m9999_later)") && refused.contains("_data"), "{refused}");
        service.stop().await;
    }

    #[actix_web::test]
    async fn who_connects_to_look_makes_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = crate::testing::config(&folder).database;
        Database::connect_to_read(&config).await.unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a path that names nothing");
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        database.close().await;
        let database = Database::connect_to_read(&config).await.unwrap();
        let whole = crate::verify_audit(&database, None, 0).await.unwrap();
        assert!(matches!(whole, crate::Verdict::Whole { rows: 0, .. }), "{whole:?}");
        database.read().execute_unprepared("DELETE FROM users").await.unwrap_err();
        database.close().await;
    }
}
