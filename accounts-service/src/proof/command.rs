//! `accounts-service verify`, from a configuration to a report and an exit code.

use std::io::Write;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use sea_orm_migration::SchemaManager;
use shared::schema::Schema;

use super::snapshot::Snapshot;
use super::verify::{Report, Wanted, verify};
use crate::db::migration::Migrator;
use crate::db::{DatabaseError, reader};

/// Looks at the ledger at `url`, which it only reads.
///
/// # Errors
/// When nothing can be said of it: it does not answer, or its schema is not this release's.
pub async fn run(url: &str, wanted: Wanted) -> Result<Report, DatabaseError> {
    let pool = reader(url).await?;
    let schema = Migrator::look(&SchemaManager::new(&pool)).await?;
    let told = match schema {
        Schema::Level => None,
        Schema::Behind(lacking) => Some(format!(
            "the database lacks migrations of this release ({}): verify with that one",
            lacking.join(", ")
        )),
        Schema::Ahead(newer) => Some(format!(
            "a newer release has migrated this database ({}), and may write what this one does not know: verify with that one",
            newer.join(", ")
        )),
    };
    if let Some(told) = told {
        return Err(DbErr::Custom(told).into());
    }
    if is_primary(&pool).await? {
        tell("this is a primary, whose commits take longer the longer this takes: see `verify --help`".to_owned());
    }
    let snapshot = Snapshot::of(&pool).await?;
    let report = verify(&snapshot, wanted, &tell).await?;
    drop(snapshot);
    pool.close().await?;
    Ok(report)
}

/// Whether somebody posts there: a snapshot keeps old versions of the chain's head from being pruned, and commits walk over
/// them. SQLite readers are in nobody's way.
async fn is_primary(pool: &DatabaseConnection) -> Result<bool, DbErr> {
    let backend = pool.get_database_backend();
    if backend != DbBackend::Postgres {
        return Ok(false);
    }
    let row = pool.query_one_raw(Statement::from_string(backend, "SELECT NOT pg_is_in_recovery()")).await?;
    row.map_or(Ok(false), |row| row.try_get_by_index(0))
}

/// How far it is, beside the report.
fn tell(what: String) {
    // Nobody listens: then nobody is told.
    drop(writeln!(std::io::stderr(), "verify: {what}"));
}
