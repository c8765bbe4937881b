//! Migrations: the whole schema per back-end as SQL, because what guards the ledger (checks, triggers, the posting
//! function) is exactly what a schema builder cannot say.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseTransaction, DbBackend, EntityName, EntityTrait};
use sea_orm_migration::seaql_migrations;
use shared::schema::Schema;

/// Every migration, oldest first.
pub struct Migrator;

impl Migrator {
    /// How the database stands to this release. It only looks, so that whoever may make nothing there can ask, too.
    ///
    /// # Errors
    /// When the database cannot be read, or is of another line of releases.
    pub async fn look(manager: &SchemaManager<'_>) -> Result<Schema, DbErr> {
        let applied = match manager.has_table(seaql_migrations::Entity.table_name()).await? {
            true => seaql_migrations::Entity::find().all(manager.get_connection()).await?,
            false => Vec::new(),
        };
        let ours = Self::migrations();
        let names = (ours.iter().map(|step| step.name()), applied.iter().map(|row| row.version.as_str()));
        Schema::of(names.0, names.1).map_err(|astray| DbErr::Custom(astray.to_string()))
    }

    /// Applies what is missing, if anything is. sea-orm-migration itself would refuse a database that a newer release has
    /// migrated, and so whoever restarts before all are replaced, and whoever goes back a release.
    ///
    /// # Errors
    /// When a statement fails, or the database is of another line of releases.
    pub async fn apply(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
        let schema = Self::look(&SchemaManager::new(transaction)).await?;
        if schema.is_behind() { Self::up(transaction, None).await } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        STEPS.iter().map(|step| -> Box<dyn MigrationTrait> { Box::new(*step) }).collect()
    }
}

/// One migration, as it is written for each back-end.
#[derive(Clone, Copy)]
struct Step {
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

/// The step of this name and of these files.
macro_rules! step {
    ($name:literal, $file:literal) => {
        Step {
            name: $name,
            postgres: include_str!(concat!("migration/", $file, ".postgres.sql")),
            sqlite: include_str!(concat!("migration/", $file, ".sqlite.sql")),
        }
    };
}

/// Oldest first. A released step never changes.
const STEPS: &[Step] = &[
    step!("m2026_11_21_000001_ledger", "ledger"),
    step!("m2026_11_22_000002_months", "months"),
    step!("m2026_11_22_000003_core", "core"),
    step!("m2026_11_22_000004_commit", "commit"),
    step!("m2026_11_22_000005_exchange", "exchange"),
    step!("m2026_11_22_000006_standing", "standing"),
    step!("m2026_11_22_000008_rest", "rest"),
    step!("m2026_11_22_000009_receipts", "receipts"),
    step!("m2026_11_22_000010_checks", "checks"),
    step!("m2026_11_22_000011_pause", "pause"),
    step!("m2026_11_22_000012_opened", "opened"),
    step!("m2026_11_22_000013_parts", "parts"),
    step!("m2026_11_22_000014_seek", "seek"),
    step!("m2026_11_22_000015_places", "places"),
];

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = match manager.get_database_backend() {
            DbBackend::Postgres => self.postgres,
            DbBackend::Sqlite => self.sqlite,
            other => return Err(DbErr::Custom(format!("no ledger schema for {other:?}"))),
        };
        manager.get_connection().execute_unprepared(schema).await.map(drop)
    }
}
