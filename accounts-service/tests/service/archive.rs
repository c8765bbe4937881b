//! A ledger as a file: out of one database and into another, where everything goes on; and what is no such file is refused.

mod beside;
mod commands;
mod damage;
mod first_format;
mod moves;
mod receipts;
mod schema;
mod world;
mod written;

use std::io::Cursor;

use accounts_service::archive::{self, ArchiveError, Dry, Summary};
use accounts_service::db::{Backend, Database};
use shared::clock::Clock;

use crate::stack::Which;

/// Every way from one back-end to the other.
const WAYS: [(Which, Which); 4] = [
    (Which::Sqlite, Which::Sqlite),
    (Which::Sqlite, Which::Postgres),
    (Which::Postgres, Which::Sqlite),
    (Which::Postgres, Which::Postgres),
];

/// What an export at `url` writes.
async fn export(url: &str, clock: &Clock) -> Vec<u8> {
    let mut file = Vec::new();
    archive::export(&Backend::parse(url).unwrap(), clock, &mut file).await.unwrap();
    file
}

/// Brings the database at `url` to this release's schema, and nothing else.
async fn migrate(url: &str) {
    let db = Database::connect(url, 1).await.unwrap();
    db.migrate().await.unwrap();
    db.pool.close().await.unwrap();
}

/// What comes of importing `file` at `url`, which is migrated.
async fn import(url: &str, file: &[u8], dry: Dry) -> Result<Summary, ArchiveError> {
    archive::import(&Backend::parse(url).unwrap(), Cursor::new(file), dry).await
}
