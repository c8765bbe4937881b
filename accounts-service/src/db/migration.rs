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
        vec![Box::new(Ledger)]
    }
}

/// Accounts, transfers, entries, keys, chain and outbox.
struct Ledger;

impl MigrationName for Ledger {
    fn name(&self) -> &'static str {
        "m2026_11_21_000001_ledger"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Ledger {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = match manager.get_database_backend() {
            DbBackend::Postgres => include_str!("migration/ledger.postgres.sql"),
            DbBackend::Sqlite => include_str!("migration/ledger.sqlite.sql"),
            other => return Err(DbErr::Custom(format!("no ledger schema for {other:?}"))),
        };
        manager.get_connection().execute_unprepared(schema).await.map(drop)
    }
}
