//! Migrations: the whole schema per back-end as SQL, expand first, contract later.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Every migration, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Identity)]
    }
}

/// Users, sessions, keys, secrets, revocations.
struct Identity;

impl MigrationName for Identity {
    fn name(&self) -> &'static str {
        "m2026_11_21_000001_identity"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Identity {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let schema = match manager.get_database_backend() {
            DbBackend::Postgres => include_str!("migration/identity.postgres.sql"),
            DbBackend::Sqlite => include_str!("migration/identity.sqlite.sql"),
            other => return Err(DbErr::Custom(format!("no schema for {other:?}"))),
        };
        manager.get_connection().execute_unprepared(schema).await.map(drop)
    }
}
