//! Migrations, expand-then-contract: a release only adds what the one before it can ignore, and removes what the one
//! before it no longer reads. As SQL per back-end, because partial indexes and collations are what a builder cannot say.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseTransaction, DbBackend, EntityName, EntityTrait};
use sea_orm_migration::seaql_migrations;
use shared::schema::Schema;

/// A step by its name and that of its two files.
macro_rules! step {
    ($name:literal, $files:literal) => {
        Box::new(Step {
            name: $name,
            postgres: include_str!(concat!("migration/", $files, ".postgres.sql")),
            sqlite: include_str!(concat!("migration/", $files, ".sqlite.sql")),
        })
    };
}

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
        vec![
            Box::new(Step {
                name: "m2026_11_21_000001_identity",
                postgres: include_str!("migration/identity.postgres.sql"),
                sqlite: include_str!("migration/identity.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000002_api_key_revocations",
                postgres: include_str!("migration/api_key_revocations.postgres.sql"),
                sqlite: include_str!("migration/api_key_revocations.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000003_audit",
                postgres: include_str!("migration/audit.postgres.sql"),
                sqlite: include_str!("migration/audit.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000004_signing",
                postgres: include_str!("migration/signing.postgres.sql"),
                sqlite: include_str!("migration/signing.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000005_mail",
                postgres: include_str!("migration/mail.postgres.sql"),
                sqlite: include_str!("migration/mail.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000006_sessions",
                postgres: include_str!("migration/sessions.postgres.sql"),
                sqlite: include_str!("migration/sessions.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000008_oauth",
                postgres: include_str!("migration/oauth.postgres.sql"),
                sqlite: include_str!("migration/oauth.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000007_factors",
                postgres: include_str!("migration/factors.postgres.sql"),
                sqlite: include_str!("migration/factors.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000009_access",
                postgres: include_str!("migration/access.postgres.sql"),
                sqlite: include_str!("migration/access.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000011_avatars",
                postgres: include_str!("migration/avatars.postgres.sql"),
                sqlite: include_str!("migration/avatars.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000011_imported_hashes",
                postgres: include_str!("migration/imported_hashes.postgres.sql"),
                sqlite: include_str!("migration/imported_hashes.sqlite.sql"),
            }),
            Box::new(Step {
                name: "m2026_11_21_000012_devices",
                postgres: include_str!("migration/devices.postgres.sql"),
                sqlite: include_str!("migration/devices.sqlite.sql"),
            }),
            step!("m2026_11_22_000013_passkeys", "passkeys"),
            Box::new(Step {
                name: "m2026_11_21_000010_data",
                postgres: include_str!("migration/data.postgres.sql"),
                sqlite: include_str!("migration/data.sqlite.sql"),
            }),
        ]
    }
}

/// One step, the same on both back-ends.
struct Step {
    name: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Postgres => self.postgres,
            DbBackend::Sqlite => self.sqlite,
            other => return Err(DbErr::Custom(format!("no schema for {other:?}"))),
        };
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }
}
