//! PostgreSQL: rows go in by COPY, into the tables of the months that their positions name.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::ReadRow;
use crate::archive::error::ArchiveError;
use crate::archive::record::{Record, Value};
use crate::archive::table::{Kind, Table};
use crate::archive::tables::TABLES;
use crate::db::{MIGRATION_LOCK, Month};

/// Months that one import makes tables for, ten years of them: each takes 28 locks until the import ends, and a server has
/// 6,400 for everybody, unless it is told otherwise (`max_locks_per_transaction`). Those of before this database was made
/// lie in its first tables.
const MOST_MONTHS: usize = 120;

/// A connection, and the months whose tables it has seen to.
pub(in crate::archive) struct Postgres {
    pub(super) connection: Arc<Mutex<PgConnection>>,
    opened: BTreeSet<Month>,
}

impl Postgres {
    pub(super) async fn connect(options: &PgConnectOptions) -> Result<Self, sqlx::Error> {
        // It takes as long as it takes; a server's limits are for those who wait for an answer.
        let unlimited = [("statement_timeout", "0"), ("idle_in_transaction_session_timeout", "0")];
        let connection = options.clone().options(unlimited).connect().await?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), opened: BTreeSet::new() })
    }

    /// The migration's lock keeps out other imports and migrations, those of the tables whoever writes, service or not;
    /// readers find the ledger empty until the commit.
    pub(super) async fn lock_out(&mut self) -> Result<(), ArchiveError> {
        self.connection.lock().await.execute("BEGIN; SET LOCAL lock_timeout = '5s'").await?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(MIGRATION_LOCK);
        if !lock.fetch_one(&mut *self.connection.lock().await).await? {
            return Err(ArchiveError::Busy("a migration or another import is under way".to_owned()));
        }
        let tables = TABLES.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
        let locked =
            self.connection.lock().await.execute(AssertSqlSafe(format!("LOCK TABLE {tables} IN EXCLUSIVE MODE"))).await;
        match locked {
            // Lock not available; undefined table: whoever looks at the schema says so better.
            Err(sqlx::Error::Database(refusal)) if refusal.code().is_some_and(|code| code == "55P03") => {
                Err(ArchiveError::Busy("somebody writes to this ledger: stop its services first".to_owned()))
            }
            Err(sqlx::Error::Database(refusal)) if refusal.code().is_some_and(|code| code == "42P01") => {
                self.connection.lock().await.execute("ROLLBACK; BEGIN").await?;
                Ok(())
            }
            locked => Ok(locked.map(drop)?),
        }
    }

    pub(super) async fn insert(&mut self, table: &'static Table, rows: &[Record]) -> Result<(), ArchiveError> {
        self.open_months(rows).await?;
        let mut text = String::with_capacity(rows.len() * 256);
        for row in rows {
            for (n, value) in row.values.iter().enumerate() {
                if n > 0 {
                    text.push('\t');
                }
                copied(value, &mut text);
            }
            text.push('\n');
        }
        let mut connection = self.connection.lock().await;
        let mut copy = connection.copy_in_raw(&format!("COPY {} ({}) FROM STDIN", table.name, table.list())).await?;
        copy.send(text.as_bytes()).await?;
        copy.finish().await?;
        Ok(())
    }

    /// Rows of before the first month lie in the first tables, which reach so far.
    async fn open_months(&mut self, rows: &[Record]) -> Result<(), ArchiveError> {
        let named: BTreeSet<_> = rows.iter().filter_map(Record::place).map(Month::of).collect();
        let unseen: Vec<_> = named.difference(&self.opened).copied().collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let first: i32 = sqlx::query_scalar("SELECT min(month) FROM ledger_months")
            .fetch_one(&mut *self.connection.lock().await)
            .await?;
        let later: Vec<_> = unseen.into_iter().filter(|month| month.number() >= first).collect();
        // Before any is made: a server without locks refuses everybody.
        if self.opened.len() + later.len() > MOST_MONTHS {
            return Err(ArchiveError::Unsound(format!(
                "its positions name more than {MOST_MONTHS} months since this database was made"
            )));
        }
        for month in later {
            sqlx::query("SELECT open_month($1)")
                .bind(month.number())
                .execute(&mut *self.connection.lock().await)
                .await?;
            self.opened.insert(month);
        }
        Ok(())
    }

    pub(super) async fn analyse(&mut self) -> Result<(), ArchiveError> {
        let tables = TABLES.iter().map(|table| table.name).collect::<Vec<_>>().join(", ");
        self.connection.lock().await.execute(AssertSqlSafe(format!("ANALYZE {tables}"))).await?;
        Ok(())
    }
}

impl ReadRow for PgRow {
    fn value(&self, at: usize, kind: Kind) -> Result<Value, sqlx::Error> {
        Ok(match kind {
            Kind::Id => self.try_get::<Option<Uuid>, _>(at)?.map(Value::Id),
            Kind::Small => self.try_get::<Option<i16>, _>(at)?.map(|int| Value::Int(int.into())),
            Kind::Whole => self.try_get::<Option<i32>, _>(at)?.map(|int| Value::Int(int.into())),
            Kind::Big => self.try_get::<Option<i64>, _>(at)?.map(Value::Int),
            Kind::Flag => self.try_get::<Option<bool>, _>(at)?.map(Value::Flag),
            Kind::Text => self.try_get::<Option<String>, _>(at)?.map(Value::Text),
            Kind::Bytes => self.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
        }
        .unwrap_or(Value::Null))
    }
}

/// As the text form of COPY has it.
fn copied(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("\\N"),
        // Writing to a String cannot fail.
        Value::Int(int) => write!(text, "{int}").unwrap_or_default(),
        Value::Flag(flag) => text.push(if *flag { 't' } else { 'f' }),
        Value::Id(id) => write!(text, "{}", id.as_hyphenated()).unwrap_or_default(),
        Value::Bytes(bytes) => write!(text, "\\\\x{}", hex::encode(bytes)).unwrap_or_default(),
        Value::Text(words) => {
            for letter in words.chars() {
                match letter {
                    '\\' => text.push_str("\\\\"),
                    '\t' => text.push_str("\\t"),
                    '\n' => text.push_str("\\n"),
                    '\r' => text.push_str("\\r"),
                    letter => text.push(letter),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_copy_would_take_for_something_else_is_escaped() {
        let texts = ["\\N", "a\tb\nc\rd\\", ""].map(|text| Value::Text(text.to_owned()));
        let all = texts.into_iter().chain([Value::Null, Value::Bytes(vec![0, 255]), Value::Flag(true)]);
        let mut line = String::new();
        all.for_each(|value| {
            copied(&value, &mut line);
            line.push('\t');
        });
        assert_eq!(line, "\\\\N\ta\\tb\\nc\\rd\\\\\t\t\\N\t\\\\x00ff\tt\t");
    }
}
