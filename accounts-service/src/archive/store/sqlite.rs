//! SQLite: rows go in by statements of many rows, each value bound.

use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};
use uuid::Uuid;

use super::{ReadRow, Side};
use crate::archive::error::ArchiveError;
use crate::archive::record::{Record, Value};
use crate::archive::table::{Kind, Table};

/// Values of one statement. More make it no faster.
const VALUES: usize = 800;

const SIDE: &str = "SELECT seq, balance_after FROM entries WHERE account_id = ?1 AND position = ?2";

/// A connection.
pub(in crate::archive) struct Sqlite {
    pub(super) connection: SqliteConnection,
}

impl Sqlite {
    pub(super) async fn connect(options: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        // A file that is not there is no empty ledger.
        let options = options.clone().create_if_missing(false);
        Ok(Self { connection: options.connect().await? })
    }

    /// The write lock of the file keeps out everybody who writes; readers find the ledger empty until the commit.
    pub(super) async fn lock_out(&mut self) -> Result<(), ArchiveError> {
        // Random ids touch many pages of an index; who reads in its order does not need them.
        self.connection.execute("PRAGMA cache_size = -16384").await?;
        match self.connection.execute("BEGIN IMMEDIATE").await {
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
            values.fold(sqlx::query(AssertSqlSafe(sql)), bound).execute(&mut self.connection).await?;
        }
        Ok(())
    }

    pub(super) async fn sides(&mut self, asked: &[(Uuid, i64)]) -> Result<Vec<Option<Side>>, ArchiveError> {
        let mut sides = Vec::with_capacity(asked.len());
        for (account, place) in asked {
            let row = sqlx::query_as(SIDE).bind(account).bind(place).fetch_optional(&mut self.connection).await?;
            sides.push(row);
        }
        Ok(sides)
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
