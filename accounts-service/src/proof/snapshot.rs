//! The whole ledger as it stood at one moment, read and never written.

use futures_util::TryStreamExt;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, FromQueryResult, Statement,
    StreamTrait, Value,
};

use super::line::Tables;
use crate::db::{Month, snapshot};

/// One moment: a transaction that only reads, and sees nothing that commits after it began.
#[derive(Debug)]
pub struct Snapshot {
    tx: DatabaseTransaction,
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
        Ok(Self { tx: snapshot(pool).await? })
    }

    /// Which back-end it is of.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(&self.tx)
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
        let mut rows = self.tx.stream_raw(self.statement(sql, values)).await?;
        while let Some(row) = rows.try_next().await? {
            read(T::from_query_result(&row, "")?);
        }
        Ok(())
    }

    /// Reads rows that are few.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn all<T: FromQueryResult>(&self, sql: &str, values: Vec<Value>) -> Result<Vec<T>, DbErr> {
        T::find_by_statement(self.statement(sql, values)).all(&self.tx).await
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
