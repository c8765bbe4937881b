//! One connection outside every pool, to either back-end: what an export reads through and an import writes through.

mod postgres;
mod sqlite;

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::TryStreamExt;
use sea_orm_migration::MigratorTrait;
use shared::schema::Schema;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use self::postgres::Postgres;
use self::sqlite::Sqlite;
use super::error::ArchiveError;
use super::record::{Record, Value};
use super::table::{Kind, Table};
use super::words::Head;
use crate::db::migration::Migrator;
use crate::db::{Backend, Remedy};
use crate::proof::{Alone, Report, Snapshot, Wanted, verify};

/// The connection.
pub(super) enum Store {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

/// A row of either back-end.
trait ReadRow {
    fn value(&self, at: usize, kind: Kind) -> Result<Value, sqlx::Error>;
}

/// The same on the connection of either back-end.
macro_rules! either {
    ($store:expr, $connection:ident => $done:expr) => {
        match $store {
            Store::Postgres(Postgres { connection, .. }) => {
                let $connection = &mut *connection.lock().await;
                $done
            }
            Store::Sqlite(Sqlite { connection }) => {
                let $connection = &mut *connection.lock().await;
                $done
            }
        }
    };
}

impl Store {
    async fn connect(backend: &Backend) -> Result<Self, ArchiveError> {
        Ok(match backend {
            Backend::Postgres(options) => Self::Postgres(Postgres::connect(options).await?),
            Backend::Sqlite(options) => Self::Sqlite(Sqlite::connect(options).await?),
        })
    }

    /// A snapshot, which stays what it is until the connection ends.
    pub async fn reading(backend: &Backend) -> Result<Self, ArchiveError> {
        let mut this = Self::connect(backend).await?;
        let begin = match this {
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Sqlite(_) => "BEGIN DEFERRED",
        };
        this.run(begin).await?;
        Ok(this)
    }

    /// A transaction beside which nobody writes.
    pub async fn writing(backend: &Backend) -> Result<Self, ArchiveError> {
        let mut this = Self::connect(backend).await?;
        match &mut this {
            Self::Postgres(postgres) => postgres.lock_out().await?,
            Self::Sqlite(sqlite) => sqlite.lock_out().await?,
        }
        Ok(this)
    }

    /// The newest migration, if the schema is this release's.
    pub async fn schema(&mut self) -> Result<String, ArchiveError> {
        let sql = "SELECT version FROM seaql_migrations";
        let asked: Result<Vec<String>, _> =
            either!(self, connection => sqlx::query_scalar(sql).fetch_all(&mut *connection).await);
        let applied = match asked {
            Err(sqlx::Error::Database(missing)) if is_missing_table(missing.as_ref()) => Vec::new(),
            asked => asked?,
        };
        let ours = Migrator::migrations();
        let newest = ours.last().map(|step| step.name().to_owned()).unwrap_or_default();
        match Schema::of(ours.iter().map(|step| step.name()), applied.iter().map(String::as_str))? {
            Schema::Level => Ok(newest),
            Schema::Behind(lacking) => Err(ArchiveError::Schema(format!(
                "the database lacks migrations of this release ({}): run `accounts-service migrate` first",
                lacking.join(", ")
            ))),
            Schema::Ahead(newer) => Err(ArchiveError::Schema(format!(
                "a newer release has migrated this database ({}), and keeps what this one does not know of: use that release",
                newer.join(", ")
            ))),
        }
    }

    pub async fn head(&mut self) -> Result<Head, ArchiveError> {
        let sql = "SELECT batch_no, position, committed_at, hash FROM ledger_head WHERE id = 1";
        Ok(either!(self, connection => {
            let row = sqlx::query(sql).fetch_one(&mut *connection).await?;
            Head {
                batch_no: row.try_get(0)?,
                position: row.try_get(1)?,
                committed_at: row.try_get(2)?,
                hash: hex::encode(row.try_get::<Vec<u8>, _>(3)?),
            }
        }))
    }

    /// How texts are ordered by their bytes.
    pub const fn collation(&self) -> &'static str {
        match self {
            Self::Postgres(_) => " COLLATE \"C\"",
            Self::Sqlite(_) => "",
        }
    }

    pub async fn run(&mut self, sql: &'static str) -> Result<(), ArchiveError> {
        either!(self, connection => connection.execute(sql).await.map(drop)?);
        Ok(())
    }

    /// The one number that a question is answered with.
    pub async fn number(&mut self, sql: String) -> Result<i64, ArchiveError> {
        let sql = AssertSqlSafe(sql);
        Ok(either!(self, connection => {
            sqlx::query_scalar(sql).persistent(false).fetch_one(&mut *connection).await?
        }))
    }

    /// Hands out row after row, as they come.
    pub async fn each(
        &mut self,
        table: &'static Table,
        sql: String,
        mut take: impl FnMut(&Record) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let sql = AssertSqlSafe(sql);
        either!(self, connection => {
            let mut rows = sqlx::query(sql).persistent(false).fetch(&mut *connection);
            while let Some(row) = rows.try_next().await? {
                take(&record(table, &row)?)?;
            }
        });
        Ok(())
    }

    /// Writes rows of one table.
    pub async fn insert(&mut self, table: &'static Table, rows: &[Record]) -> Result<(), ArchiveError> {
        if table.is_made {
            for head in rows {
                self.move_head(head).await?;
            }
            return Ok(());
        }
        match self {
            Self::Postgres(postgres) => postgres.insert(table, rows).await,
            Self::Sqlite(sqlite) => sqlite.insert(table, rows).await,
        }
    }

    async fn move_head(&mut self, head: &Record) -> Result<(), ArchiveError> {
        let sql = "UPDATE ledger_head SET batch_no = $1, position = $2, committed_at = $3, hash = $4 WHERE id = 1";
        let numbers = ["batch_no", "position", "committed_at"].map(|name| head.int(name));
        let [batch_no, position, committed_at] = numbers;
        either!(self, connection => {
            let moved = sqlx::query(sql).bind(batch_no).bind(position).bind(committed_at).bind(head.bytes("hash"));
            moved.execute(&mut *connection).await.map(drop)?;
        });
        Ok(())
    }

    /// What `verify` says of all that is written by now.
    pub async fn prove(&mut self) -> Result<Report, ArchiveError> {
        let snapshot = Snapshot::within(match self {
            Self::Postgres(Postgres { connection, .. }) => Alone::Postgres(Arc::clone(connection)),
            Self::Sqlite(Sqlite { connection }) => Alone::Sqlite(Arc::clone(connection)),
        });
        let wanted = Wanted { from: None, expect: None, most: 1 };
        Ok(verify(&snapshot, wanted, &|_| {}).await?)
    }

    /// Tells whoever plans questions what there is by now.
    pub async fn analyse(&mut self) -> Result<(), ArchiveError> {
        match self {
            Self::Postgres(postgres) => postgres.analyse().await,
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// Makes it lasting.
    pub async fn commit(mut self) -> Result<(), ArchiveError> {
        let committed = either!(&mut self, connection => connection.execute("COMMIT").await.map(drop));
        match committed {
            Ok(()) => {}
            Err(refused @ sqlx::Error::Database(_)) => return Err(refused.into()),
            Err(lost) => return Err(ArchiveError::Unknown(lost)),
        }
        self.close().await;
        Ok(())
    }

    /// Takes back what was written, and lets others in before it ends.
    pub async fn abandon(mut self) {
        if let Err(error) = self.run("ROLLBACK").await {
            tracing::debug!(%error, "what was written goes with its connection");
        }
        self.close().await;
    }

    /// Ends it, in the midst of an answer, too.
    pub async fn close(self) {
        // Whatever is left of a transaction goes with its connection, in whichever way that ends.
        drop(match self {
            Self::Postgres(Postgres { connection, .. }) => match Arc::into_inner(connection) {
                Some(connection) => connection.into_inner().close().await,
                None => Ok(()),
            },
            Self::Sqlite(Sqlite { connection }) => match Arc::into_inner(connection) {
                Some(connection) => connection.into_inner().close().await,
                None => Ok(()),
            },
        });
    }
}

fn record<R: ReadRow>(table: &'static Table, row: &R) -> Result<Record, ArchiveError> {
    let value = |(at, kind): (usize, Kind)| row.value(at, kind);
    let kinds = table.columns.iter().map(|column| column.kind).enumerate();
    Ok(Record { table, values: kinds.map(value).collect::<Result<_, _>>()? })
}

/// `undefined_table`, or what SQLite says in its place.
fn is_missing_table(refusal: &dyn sqlx::error::DatabaseError) -> bool {
    refusal.code().is_some_and(|code| code == "42P01") || refusal.message().starts_with("no such table")
}

/// A check, a key, a trigger or a range refused it; anything else is the database's own trouble.
pub(super) fn is_rule(code: Option<Cow<'_, str>>) -> bool {
    code.is_some_and(|code| Remedy::of(&code) == Remedy::Bisect)
}
