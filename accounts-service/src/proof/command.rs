//! `accounts-service verify`, from a configuration to a report and an exit code.

use std::io::Write;

use sea_orm::DbErr;
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
    let snapshot = Snapshot::of(&pool).await?;
    let report = verify(&snapshot, wanted, &tell).await?;
    drop(snapshot);
    pool.close().await?;
    Ok(report)
}

/// How far it is, beside the report.
fn tell(what: String) {
    // Nobody listens: then nobody is told.
    drop(writeln!(std::io::stderr(), "verify: {what}"));
}
