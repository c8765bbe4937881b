//! SQLite: rows go in by statements of many rows, each value bound.

use std::sync::Arc;

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::ReadRow;
use crate::archive::error::ArchiveError;
use crate::archive::record::{Record, Value};
use crate::archive::table::{Kind, Table};

/// Values of one statement. More make it no faster.
const VALUES: usize = 800;

/// A connection.
pub(in crate::archive) struct Sqlite {
    pub(super) connection: Arc<Mutex<SqliteConnection>>,
}

impl Sqlite {
    pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        // A file that is not there is no empty ledger.
        let options = options.clone().create_if_missing(false);
        Ok(Self { connection: Arc::new(Mutex::new(options.connect().await?)) })
    }

    /// The write lock of the file keeps out everybody who writes; readers find the ledger empty until the commit.
    pub(super) async fn lock_out(&mut self) -> Result<(), ArchiveError> {
        // Random ids touch many pages of an index; who reads in its order does not need them.
        self.connection.lock().await.execute("PRAGMA cache_size = -16384").await?;
        match self.connection.lock().await.execute("BEGIN IMMEDIATE").await {
            Err(sqlx::Error::Database(refusal)) if refusal.code().is_some_and(|code| code == "5") => {
                Err(ArchiveError::Busy("somebody writes to this ledger: stop its services first".to_owned()))
            }
            begun => Ok(begun.map(drop)?),
        }
    }

    pub(super) async fn insert(&mut self, table: &'static Table, rows: &[Record]) -> Result<(), ArchiveError> {
        let width = table.columns.len();
        for rows in rows.chunks(VALUES / width) {
            let row = format!("({})", vec!["?"; width].join(", "));
            let many = vec![row; rows.len()].join(", ");
            let sql = format!("INSERT INTO {} ({}) VALUES {many}", table.name, table.list());
            let values = rows.iter().flat_map(|row| &row.values);
            values.fold(sqlx::query(AssertSqlSafe(sql)), bound).execute(&mut *self.connection.lock().await).await?;
        }
        Ok(())
    }
}

fn bound<'q>(
    query: Query<'q, sqlx::Sqlite, SqliteArguments>,
    value: &Value,
) -> Query<'q, sqlx::Sqlite, SqliteArguments> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(int) => query.bind(*int),
        Value::Flag(flag) => query.bind(*flag),
        Value::Id(id) => query.bind(*id),
        Value::Text(text) => query.bind(text.clone()),
        Value::Bytes(bytes) => query.bind(bytes.clone()),
    }
}

impl ReadRow for SqliteRow {
    fn value(&self, at: usize, kind: Kind) -> Result<Value, sqlx::Error> {
        Ok(match kind {
            Kind::Id => self.try_get::<Option<Uuid>, _>(at)?.map(Value::Id),
            Kind::Small | Kind::Whole | Kind::Big => self.try_get::<Option<i64>, _>(at)?.map(Value::Int),
            Kind::Flag => self.try_get::<Option<bool>, _>(at)?.map(Value::Flag),
            Kind::Text => self.try_get::<Option<String>, _>(at)?.map(Value::Text),
            Kind::Bytes => self.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        }
        .unwrap_or(Value::Null))
    }
}
