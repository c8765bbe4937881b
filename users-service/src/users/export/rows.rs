//! The rows of a section, as JSON, a page at a time.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value as Bound};
use serde_json::{Map, Value};
use shared::clock::{from_micros, rfc3339};
use shared::domain::UserId;
use uuid::Uuid;

use crate::db::Fault;
use crate::users::held::{Column, Key, Section, Shape};

/// Rows held in memory at once.
const PAGE: usize = 200;

/// Some rows.
pub(super) struct Page {
    pub rows: Vec<Value>,
    /// Where the next page begins, if there may be one.
    pub after: Option<Bound>,
}

/// The rows of `table` that `section` shows to `user`, behind the place `after`.
pub(super) async fn page<C: ConnectionTrait>(
    db: &C,
    table: &str,
    section: &Section,
    user: UserId,
    after: Option<Bound>,
) -> Result<Page, Fault> {
    let Section { whose, key: (key, kind), columns, .. } = section;
    let shown: Vec<String> = columns.iter().map(|Column { name, from, .. }| format!("{from} AS \"{name}\"")).collect();
    let shown = shown.join(", ");
    let mut sql = format!("SELECT {shown}, {key} AS \"row key\" FROM {table} WHERE {whose}");
    let mut values: Vec<Bound> = vec![user.as_uuid().into()];
    if sql.contains("$2") {
        values.push(user.to_string().into());
    }
    if let Some(after) = after {
        values.push(after);
        sql.push_str(&format!(" AND {key} > ${}", values.len()));
    }
    sql.push_str(&format!(" ORDER BY {key} LIMIT {PAGE}"));
    let found = db.query_all_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
    let last = found.last().filter(|_| found.len() == PAGE).map(|row| place(row, *kind)).transpose()?;
    let rows = found.iter().map(|row| object(row, columns)).collect::<Result<_, _>>()?;
    Ok(Page { rows, after: last })
}

fn place(row: &QueryResult, kind: Key) -> Result<Bound, DbErr> {
    const KEY: &str = "row key";
    Ok(match kind {
        Key::Id => row.try_get::<Uuid>("", KEY)?.into(),
        Key::Number => row.try_get::<i64>("", KEY)?.into(),
        Key::Bytes => row.try_get::<Vec<u8>>("", KEY)?.into(),
        Key::Text => row.try_get::<String>("", KEY)?.into(),
    })
}

fn object(row: &QueryResult, columns: &[Column]) -> Result<Value, DbErr> {
    let member = |column: &Column| Ok((column.name.to_owned(), value(row, column)?));
    Ok(Value::Object(columns.iter().map(member).collect::<Result<Map<_, _>, DbErr>>()?))
}

fn value(row: &QueryResult, Column { name, shape, .. }: &Column) -> Result<Value, DbErr> {
    let text = || row.try_get::<Option<String>>("", name);
    Ok(match shape {
        Shape::Id => row.try_get::<Option<Uuid>>("", name)?.map(|id| id.to_string()).into(),
        Shape::Text => text()?.into(),
        Shape::Instant => row.try_get::<Option<i64>>("", name)?.map(|at| rfc3339(from_micros(at))).into(),
        Shape::Number => row.try_get::<Option<i64>>("", name)?.into(),
        Shape::Flag => row.try_get::<Option<bool>>("", name)?.into(),
        Shape::Words => text()?.map(|words| words.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).into(),
        Shape::Json => text()?.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))).into(),
    })
}
