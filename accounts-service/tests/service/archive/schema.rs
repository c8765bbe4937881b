//! No table and no column is forgotten: what a file has is held against what the migrations make.

use std::collections::{BTreeMap, BTreeSet};

use accounts_service::archive::{COLUMNS_LEFT_OUT, Kind, LEFT_OUT, TABLES};
use accounts_service::db::{Backend, Database};
use sea_orm::{ConnectionTrait, Statement};

use super::migrate;
use crate::stack::{Which, on_database};

/// Name, type, whether it may be null.
type Columns = BTreeSet<(String, String, bool)>;

/// The tables of months are parts of others.
const POSTGRES: &str = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), NOT a.attnotnull \
                        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') \
                        AND NOT c.relispartition";

const SQLITE: &str = "SELECT m.name, c.name, lower(c.type), NOT c.\"notnull\" AND c.pk = 0 FROM sqlite_schema m \
                      JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";

async fn stored(url: &str) -> BTreeMap<String, Columns> {
    let db = Database::connect(url, 1).await.unwrap();
    let sql = if matches!(db.backend, Backend::Postgres(_)) { POSTGRES } else { SQLITE };
    let rows = db.pool.query_all_raw(Statement::from_string(db.pool.get_database_backend(), sql)).await.unwrap();
    let mut tables = BTreeMap::<String, Columns>::new();
    for row in rows {
        let text = |at: usize| row.try_get_by_index::<String>(at).unwrap();
        let nullable = row.try_get_by_index::<bool>(3).unwrap();
        tables.entry(text(0)).or_default().insert((text(1), text(2), nullable));
    }
    db.pool.close().await.unwrap();
    tables
}

const fn spelt(kind: Kind, which: Which) -> &'static str {
    match (kind, which) {
        (Kind::Id, Which::Postgres | Which::Shared) => "uuid",
        (Kind::Small, Which::Postgres | Which::Shared) => "smallint",
        (Kind::Whole, Which::Postgres | Which::Shared) => "integer",
        (Kind::Big, Which::Postgres | Which::Shared) => "bigint",
        (Kind::Flag, Which::Postgres | Which::Shared) => "boolean",
        (Kind::Bytes, Which::Postgres | Which::Shared) => "bytea",
        (Kind::Id | Kind::Bytes, Which::Sqlite) => "blob",
        (Kind::Small | Kind::Whole | Kind::Big | Kind::Flag, Which::Sqlite) => "integer",
        (Kind::Text, _) => "text",
    }
}

#[test]
fn a_file_has_every_table_and_every_column() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            migrate(&url).await;
            let mut stored = stored(&url).await;
            for (name, reason) in LEFT_OUT {
                // SQLite has no months.
                assert!(stored.remove(*name).is_some() || *name == "ledger_months", "{name}");
                assert!(!reason.is_empty());
            }
            for (table, column, reason) in COLUMNS_LEFT_OUT {
                let columns = stored.get_mut(*table).unwrap();
                let before = columns.len();
                columns.retain(|(name, ..)| name != column);
                assert!(columns.len() + 1 == before && !reason.is_empty(), "{table}.{column}");
            }
            for table in TABLES {
                let known: Columns = table
                    .columns()
                    .map(|(name, kind, nullable)| (name.to_owned(), spelt(kind, which).to_owned(), nullable))
                    .collect();
                let found = stored.remove(table.name).unwrap_or_default();
                assert_eq!(known, found, "`{}`: a file has the first, the schema the second", table.name);
            }
            assert!(stored.is_empty(), "neither exported nor left out: {stored:?}");
        });
    }
}
