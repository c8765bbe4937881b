//! What the service's own tests start: the whole service on a free port, on SQLite or PostgreSQL, and a caller for it.

mod answer;
mod browser;
mod call;
mod client;
#[cfg(feature = "passkeys")]
mod device;
mod factor;
mod mail;
mod person;
mod postgres;
mod revoked;
mod service;
mod smtp;

pub use answer::Answer;
pub use browser::{Browser, CHALLENGE, REDIRECT, VERIFIER, parameter};
pub use call::Call;
pub use client::Registered;
#[cfg(feature = "passkeys")]
pub use device::{BACKED_UP, Device, ELIGIBLE, PRESENT, VERIFIED, base64url};
pub use factor::Authenticator;
pub use mail::Mail;
pub use person::{PASSWORD, Person};
pub use service::{Backend, Ground, Running, Setup};
pub use smtp::{Mood, SmtpServer};

use shared::clock::Clock;
use tempfile::TempDir;

use crate::config::Config;
use crate::db::Database;
use crate::keys::{Keys, load_or_create};

/// Runs each named `async fn(Backend)` on both back-ends, as tests of their own.
macro_rules! on_both {
    ($($name:ident,)+) => {
        mod sqlite {
            $(#[actix_web::test] async fn $name() { super::$name(crate::testing::Backend::Sqlite).await; })+
        }
        mod postgres {
            $(#[actix_web::test] async fn $name() { super::$name(crate::testing::Backend::Postgres).await; })+
        }
    };
}
pub(crate) use on_both;

/// A configuration on a SQLite file in `folder`.
pub fn config(folder: &TempDir) -> Config {
    let url = format!("sqlite://{}", folder.path().join("users.db").display());
    let algorithm = ("OAUTH__ID_TOKEN_ALGORITHM", "EdDSA".to_owned());
    let env = [("IDENTITY__SECRET", "x".repeat(32)), ("DATABASE__URL", url), algorithm];
    Config::load(None, &env.map(|(key, value)| (format!("TOLLGATE_USERS__{key}"), value))).unwrap()
}

/// Keys of a database of their own.
pub async fn keys(folder: &TempDir, clock: &Clock) -> Keys {
    let config = config(folder);
    let database = Database::connect(&config.database).await.unwrap();
    database.migrate().await.unwrap();
    let keys = load_or_create(&config, &database, clock).await.unwrap();
    database.close().await;
    keys
}

/// Waits until `holds`, at most ten seconds.
pub async fn until(holds: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        ticks.tick().await;
    }
    assert!(holds(), "it did not come to pass within ten seconds");
}

/// A configuration on the database that a service runs on.
pub fn config_on(ground: &Ground) -> Config {
    let env = [("IDENTITY__SECRET", "x".repeat(32)), ("DATABASE__URL", ground.url.clone())];
    Config::load(None, &env.map(|(key, value)| (format!("TOLLGATE_USERS__{key}"), value))).unwrap()
}

/// The database that a service runs on.
pub async fn database(ground: &Ground) -> Database {
    Database::connect(&config_on(ground).database).await.unwrap()
}

/// The stored hash of somebody's password.
pub async fn password_hash(ground: &Ground, username: &str) -> String {
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
    let database = database(ground).await;
    let rows = crate::db::entity::user::Entity::find();
    let row = rows.filter(crate::db::entity::user::Column::Username.eq(username)).one(database.read()).await.unwrap();
    database.close().await;
    row.unwrap().password_hash
}
