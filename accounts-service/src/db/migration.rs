//! Migrations: the whole schema per back-end as SQL, because what guards the ledger (checks, triggers, the posting
//! function) is exactly what a schema builder cannot say.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Every migration, oldest first.
pub struct Migrator;

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
