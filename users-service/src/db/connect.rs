//! From `database.url` to a pool, on one back-end or the other.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector, SqlxSqliteConnector};
use sea_orm_migration::SchemaManager;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::sync::Mutex;

use super::fault::Fault;
use super::migration::Migrator;
use super::write::Write;
use crate::audit::Tally;
use crate::config;
use crate::users::UserCache;

/// Whose command migrates.
const SERVICE: &str = "users-service";

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

    /// Brings the schema up to date, or looks whether whoever has to has done so.
    ///
    /// # Errors
    /// When a statement fails, or the schema is not one that this release runs on.
    pub async fn prepare(&self, migrate: bool) -> Result<(), Fault> {
        if migrate {
            return self.migrate().await;
        }
        let schema = Migrator::look(&SchemaManager::new(&self.pool)).await?;
        schema.require(SERVICE).map_err(|unready| DbErr::Custom(unready.to_string()).into())
    }

    /// Applies every migration that is missing, one process at a time: sea-orm-migration itself takes no lock, so on
    /// PostgreSQL the transaction around it holds an advisory one; on SQLite the write lock does. Where none is missing
    /// nothing is locked, and no right is needed but that to read.
    ///
    /// # Errors
    /// When a statement fails; then nothing is changed.
    pub async fn migrate(&self) -> Result<(), Fault> {
        if !Migrator::look(&SchemaManager::new(&self.pool)).await?.is_behind() {
            return Ok(());
        }
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
    use crate::testing::{Backend, Ground, Setup, on_both};

    on_both! {
        a_release_starts_on_the_schema_of_a_newer_one,
        who_does_not_migrate_starts_on_nothing_but_a_whole_schema,
    }

    async fn who_does_not_migrate_starts_on_nothing_but_a_whole_schema(backend: Backend) {
        const NEWEST: &str = "DELETE FROM seaql_migrations WHERE version = 'm2026_11_22_000013_passkeys'";
        let empty = Ground::lay(backend).await;
        let refused = Setup::on(backend).set("database.migrate_on_start", "false").refused_on(&empty).await;
        assert!(refused.contains("_identity") && refused.contains("run `users-service migrate` first"), "{refused}");
        let database = crate::testing::database(&empty).await;
        let tables = SchemaManager::new(database.read()).has_table("seaql_migrations").await.unwrap();
        assert!(!tables, "who only looks makes nothing");
        database.migrate().await.unwrap();
        database.close().await;

        // As a role that may make nothing: neither way needs more than to read, when nothing is missing.
        let looking = async |ground: &Ground| {
            let config = Database::connect_to_read(&crate::testing::config_on(ground).database).await.unwrap();
            let done = [config.prepare(false).await, config.prepare(true).await];
            config.close().await;
            done.map(|done| done.map_err(|fault| fault.to_string()))
        };
        assert_eq!(looking(&empty).await, [Ok(()), Ok(())]);
        let service = Setup::on(backend).set("database.migrate_on_start", "false").start_on(empty).await;
        service.person("adalovelace").await;
        let ground = service.halt().await;

        ground.run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)").await;
        assert_eq!(looking(&ground).await, [Ok(()), Ok(())], "a newer release's");
        ground.run(NEWEST).await;
        let refused = Setup::on(backend).set("database.migrate_on_start", "false").refused_on(&ground).await;
        assert!(refused.contains("does not know (m9999_later)"), "another line's: {refused}");
        ground.run("DELETE FROM seaql_migrations WHERE version = 'm9999_later'").await;
        let refused = Setup::on(backend).set("database.migrate_on_start", "false").refused_on(&ground).await;
        assert!(refused.contains("(m2026_11_22_000013_passkeys)"), "{refused}");
        ground.clear().await;
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
