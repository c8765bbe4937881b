//! The whole ledger as it stood at one moment, read and never written.

use std::sync::Arc;

use futures_util::TryStreamExt;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, FromQueryResult, QueryResult,
    RuntimeErr, Statement, StreamTrait, Value,
};
use sqlx::{AssertSqlSafe, PgConnection, SqliteConnection};
use tokio::sync::Mutex;

use super::line::Tables;
use crate::db::{Month, snapshot};

/// One moment: a transaction that only reads and sees nothing that commits after it began, or one beside which nobody writes.
#[derive(Debug)]
pub struct Snapshot {
    on: On,
}

#[derive(Debug)]
enum On {
    Own(DatabaseTransaction),
    Alone(Alone),
}

/// A connection in the midst of a transaction that keeps all others from writing.
#[derive(Debug)]
pub enum Alone {
    /// To PostgreSQL.
    Postgres(Arc<Mutex<PgConnection>>),
    /// To SQLite.
    Sqlite(Arc<Mutex<SqliteConnection>>),
}

/// A statement with its values, of the kinds that are asked with here.
macro_rules! bound {
    ($statement:expr) => {{
        let Statement { sql, values, .. } = $statement;
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in values.into_iter().flat_map(|values| values.0) {
            query = match value {
                Value::BigInt(number) => query.bind(number),
                Value::Uuid(id) => query.bind(id),
                Value::Bytes(bytes) => query.bind(bytes),
                other => return Err(DbErr::Type(format!("nothing is asked with {other:?}"))),
            };
        }
        query
    }};
}

/// The same on a connection of either kind.
macro_rules! stream {
    ($connection:expr, $statement:expr, $read:expr) => {{
        let mut connection = $connection.lock().await;
        let mut rows = bound!($statement).fetch(&mut *connection);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            $read(T::from_query_result(&QueryResult::from(row), "")?);
        }
        Ok(())
    }};
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// Tables of one stretch of positions, and where that begins and ends.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// The tables.
    pub tables: Tables,
    /// Positions at or above this one.
    pub from: i64,
    /// And below this one.
    pub below: i64,
}

#[derive(FromQueryResult)]
struct Partition {
    whole: String,
    name: String,
    bounds: String,
}

/// The tables of the months. Names are quoted by the database.
const PARTITIONS: &str = "SELECT p.relname::text AS whole, format('%I.%I', n.nspname, c.relname) AS name, \
                          pg_get_expr(c.relpartbound, c.oid) AS bounds \
                          FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
                          JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class p ON p.oid = i.inhparent \
                          WHERE p.oid = ANY(ARRAY['transfers', 'entries', 'ledger_batches', 'outbox_events']::regclass[])";

impl Snapshot {
    /// As it is now.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn of(pool: &DatabaseConnection) -> Result<Self, DbErr> {
        Ok(Self { on: On::Own(snapshot(pool).await?) })
    }

    /// As a transaction sees it that has written, and has not committed yet.
    #[must_use]
    pub const fn within(connection: Alone) -> Self {
        Self { on: On::Alone(connection) }
    }

    /// Which back-end it is of.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        match &self.on {
            On::Own(tx) => ConnectionTrait::get_database_backend(tx),
            On::Alone(Alone::Postgres(_)) => DbBackend::Postgres,
            On::Alone(Alone::Sqlite(_)) => DbBackend::Sqlite,
        }
    }

    /// Lets PostgreSQL search by ranges of blocks, which the pool's connections are told to avoid: as good as any plan that
    /// they may choose is the one that reads a stretch of entries by where they lie.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn allow_ranges(&self) -> Result<(), DbErr> {
        match &self.on {
            On::Own(tx) if self.backend() == DbBackend::Postgres => {
                tx.execute_unprepared("SET LOCAL enable_bitmapscan = on").await.map(drop)
            }
            _ => Ok(()),
        }
    }

    fn statement(&self, sql: &str, values: Vec<Value>) -> Statement {
        let (uuid, bytes) = match self.backend() {
            DbBackend::Postgres => ("uuid", "bytea"),
            _ => ("blob", "blob"),
        };
        let sql = sql.replace("{uuid}", uuid).replace("{bytes}", bytes);
        Statement::from_sql_and_values(self.backend(), sql, values)
    }

    /// Reads row after row, never all of them.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn each<T: FromQueryResult>(
        &self,
        sql: &str,
        values: Vec<Value>,
        mut read: impl FnMut(T),
    ) -> Result<(), DbErr> {
        let statement = self.statement(sql, values);
        match &self.on {
            On::Own(tx) => {
                let mut rows = tx.stream_raw(statement).await?;
                while let Some(row) = rows.try_next().await? {
                    read(T::from_query_result(&row, "")?);
                }
                Ok(())
            }
            On::Alone(Alone::Postgres(connection)) => stream!(connection, statement, read),
            On::Alone(Alone::Sqlite(connection)) => stream!(connection, statement, read),
        }
    }

    /// Reads rows that are few.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn all<T: FromQueryResult>(&self, sql: &str, values: Vec<Value>) -> Result<Vec<T>, DbErr> {
        let mut rows = Vec::new();
        self.each(sql, values, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// The stretches of the order of commit, first to last: months have tables of their own on PostgreSQL.
    ///
    /// # Errors
    /// When the database cannot answer, or a month lacks one of its tables.
    pub async fn stretches(&self) -> Result<Vec<Stretch>, DbErr> {
        if self.backend() != DbBackend::Postgres {
            return Ok(vec![Stretch { tables: Tables::whole(), from: i64::MIN, below: i64::MAX }]);
        }
        let mut stretches: std::collections::BTreeMap<(i64, i64), Tables> = std::collections::BTreeMap::new();
        let nothing =
            Tables { transfers: String::new(), entries: String::new(), batches: String::new(), events: String::new() };
        for Partition { whole, name, bounds } in self.all(PARTITIONS, Vec::new()).await? {
            let tables = stretches.entry(ends(&bounds)).or_insert_with(|| nothing.clone());
            let table = match whole.as_str() {
                "transfers" => &mut tables.transfers,
                "entries" => &mut tables.entries,
                "ledger_batches" => &mut tables.batches,
                _ => &mut tables.events,
            };
            *table = name;
        }
        let whole = |tables: &Tables| {
            [&tables.transfers, &tables.entries, &tables.batches, &tables.events].iter().all(|name| !name.is_empty())
        };
        let lacking = stretches.iter().find(|(_, tables)| !whole(tables));
        if let Some(((from, _), tables)) = lacking {
            let month = Month::of(*from);
            return Err(DbErr::Custom(format!("the month {month} lacks a table: it has only {tables:?}")));
        }
        Ok(stretches.into_iter().map(|((from, below), tables)| Stretch { tables, from, below }).collect())
    }
}

/// Where the positions of a table begin and end, from `FOR VALUES FROM (…) TO (…)`.
fn ends(bounds: &str) -> (i64, i64) {
    let mut numbers = bounds.split(['(', ')']).skip(1).step_by(2).map(|end| end.trim_matches('\'').parse());
    let mut end = |open: i64| numbers.next().and_then(Result::ok).unwrap_or(open);
    (end(i64::MIN), end(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_months_table_are_read_from_what_the_database_says() {
        assert_eq!(ends("FOR VALUES FROM ('749866930143232') TO ('750966441771008')"), (682 << 40, 683 << 40));
        assert_eq!(ends("FOR VALUES FROM (MINVALUE) TO ('749866930143232')"), (i64::MIN, 682 << 40));
        assert_eq!(ends("FOR VALUES FROM (5) TO (MAXVALUE)"), (5, i64::MAX));
    }
}
