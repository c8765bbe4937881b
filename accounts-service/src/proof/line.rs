//! The ledger in the order of commit: batches, transfers, entries and events of one stretch as one sequence of lines.

use sea_orm::{DbErr, FromQueryResult, QueryResult, RuntimeErr};
use sqlx::Row;
use uuid::Uuid;

/// A row of any of the four tables; what a column means is said where it is read.
#[derive(Clone, Debug)]
pub struct Line {
    pub position: i64,
    pub kind: i32,
    pub id: Option<Uuid>,
    pub a: Option<Uuid>,
    pub b: Option<Uuid>,
    pub n1: Option<i64>,
    pub n2: Option<i64>,
    pub n3: Option<i64>,
    pub n4: Option<i64>,
    pub u1: Option<Uuid>,
    pub u2: Option<Uuid>,
    pub u3: Option<Uuid>,
    pub t1: Option<String>,
    pub t2: Option<String>,
    pub t3: Option<String>,
    pub t4: Option<String>,
    pub t5: Option<String>,
    pub x1: Option<Vec<u8>>,
    pub x2: Option<Vec<u8>>,
}

/// A row of either back-end, by the places of the columns in [`Tables::lines`]. Most of them are empty: what looks each up
/// by its name, and words an error for each that is, takes longer over it than the walk.
macro_rules! read {
    ($row:expr) => {{
        let row = $row;
        Self {
            position: row.try_get(0)?,
            kind: row.try_get(1)?,
            id: row.try_get(2)?,
            a: row.try_get(3)?,
            b: row.try_get(4)?,
            n1: row.try_get(5)?,
            n2: row.try_get(6)?,
            n3: row.try_get(7)?,
            n4: row.try_get(8)?,
            u1: row.try_get(9)?,
            u2: row.try_get(10)?,
            u3: row.try_get(11)?,
            t1: row.try_get(12)?,
            t2: row.try_get(13)?,
            t3: row.try_get(14)?,
            t4: row.try_get(15)?,
            t5: row.try_get(16)?,
            x1: row.try_get(17)?,
            x2: row.try_get(18)?,
        }
    }};
}

impl Line {
    fn read(row: &QueryResult) -> Result<Self, sqlx::Error> {
        match (row.try_as_pg_row(), row.try_as_sqlite_row()) {
            (Some(row), _) => Ok(read!(row)),
            (_, Some(row)) => Ok(read!(row)),
            (None, None) => Err(sqlx::Error::RowNotFound),
        }
    }
}

impl FromQueryResult for Line {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        Self::read(row).map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}

/// The tables of one stretch: a month's own on PostgreSQL, whole ones on SQLite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// As SQL names them.
    pub transfers: String,
    /// Likewise, or a query in parentheses that finds them.
    pub entries: String,
    /// Likewise.
    pub batches: String,
    /// Likewise.
    pub events: String,
}

impl Tables {
    /// The whole ones.
    #[must_use]
    pub fn whole() -> Self {
        let [transfers, entries, batches, events] =
            ["transfers", "entries", "ledger_batches", "outbox_events"].map(str::to_owned);
        Self { transfers, entries, batches, events }
    }

    /// Everything of them with a position for which `filter` holds, by position. Entries lie in no order that an index knows:
    /// they are sorted by the database, on its disk when they are many.
    #[must_use]
    pub fn lines(&self, filter: &str) -> String {
        let Self { transfers, entries, batches, events } = self;
        let batch_filter = filter.replace("position", "first_position");
        format!(
            "SELECT position, CAST(1 AS integer) AS kind, id AS id, debit_account_id AS a, credit_account_id AS b, \
             amount AS n1, expires_at AS n2, posted_at AS n3, created_at AS n4, pending_of AS u1, reversal_of AS u2, \
             created_by AS u3, currency AS t1, status AS t2, description AS t3, external_ref AS t4, metadata AS t5, \
             CAST(NULL AS {{bytes}}) AS x1, CAST(NULL AS {{bytes}}) AS x2 FROM {transfers} AS t WHERE {filter} \
             UNION ALL \
             SELECT position, 2, transfer_id, account_id, CAST(NULL AS {{uuid}}), amount, seq, posted_at, \
             balance_after, {uuids}, {texts}, {bytes} FROM {entries} AS e WHERE {filter} \
             UNION ALL \
             SELECT first_position, 0, CAST(NULL AS {{uuid}}), CAST(NULL AS {{uuid}}), CAST(NULL AS {{uuid}}), \
             batch_no, last_position, posted_at, CAST(format AS bigint), {uuids}, {texts}, content, hash \
             FROM {batches} AS b WHERE {batch_filter} \
             UNION ALL \
             SELECT position, 3, id, subject, CAST(NULL AS {{uuid}}), CAST(NULL AS bigint), CAST(NULL AS bigint), \
             CAST(NULL AS bigint), recorded_at, {uuids}, kind, CAST(NULL AS text), CAST(NULL AS text), \
             CAST(NULL AS text), CAST(NULL AS text), {bytes} FROM {events} AS v WHERE {filter} \
             ORDER BY 1",
            uuids = "CAST(NULL AS {uuid}), CAST(NULL AS {uuid}), CAST(NULL AS {uuid})",
            texts =
                "CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text)",
            bytes = "CAST(NULL AS {bytes}), CAST(NULL AS {bytes})",
        )
    }
}
