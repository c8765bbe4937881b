//! A release starts on its own schema and on what a newer one has made of it; not on half a schema, or another line's.

use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::{Config, Deps, build};
use sea_orm::ConnectionTrait;
use sea_orm_migration::SchemaManager;
use shared::clock::Clock;

use crate::client::user;
use crate::on_both;
use crate::stack::{SECRET, Stack};

on_both!(a_release_starts_on_the_schema_of_a_newer_one, who_does_not_migrate_starts_on_nothing_but_a_whole_schema);

/// Why a service that is not to migrate does not start; nothing when it does.
async fn refused(url: &str) -> Option<String> {
    let set = |name: &str, value: &str| (format!("TOLLGATE_ACCOUNTS__{name}"), value.to_owned());
    let env = [
        set("DATABASE__URL", url),
        set("DATABASE__MIGRATE_ON_START", "false"),
        set("IDENTITY__SECRET", SECRET),
        set("SERVER__WORKERS", "1"),
    ];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = build(Config::load(None, &env).unwrap(), Deps { clock: Clock::system() }, listener).await;
    let service = match service {
        Ok(service) => service,
        Err(error) => return Some(error.to_string()),
    };
    let (handle, running) = (service.handle(), tokio::spawn(service.run()));
    handle.stop(Duration::from_secs(5)).await;
    running.await.unwrap().unwrap();
    None
}

async fn who_does_not_migrate_starts_on_nothing_but_a_whole_schema(stack: Rc<Stack>) {
    assert_eq!(refused(&stack.url).await, None);
    // As a role that may make nothing: neither way needs more than to read, when nothing is missing.
    let only = if stack.url.starts_with("sqlite") { "mode=ro" } else { "options[default_transaction_read_only]=on" };
    let sign = if stack.url.contains('?') { '&' } else { '?' };
    let looking = Database::connect(&format!("{}{sign}{only}", stack.url), 1).await.unwrap();
    looking.pool.execute_unprepared("DELETE FROM seaql_migrations").await.unwrap_err();
    for migrate in [false, true] {
        looking.prepare(migrate).await.unwrap();
    }
    looking.pool.clone().close().await.unwrap();

    let db = Database::connect(&stack.url, 1).await.unwrap();
    let run = async |sql: &str| {
        db.pool.execute_unprepared(sql).await.unwrap();
    };
    run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)").await;
    assert_eq!(refused(&stack.url).await, None, "a newer release's");
    run("DELETE FROM seaql_migrations WHERE version <> 'm9999_later'").await;
    let astray = refused(&stack.url).await.unwrap();
    assert!(astray.contains("does not know (m9999_later)"), "{astray}");
    for emptied in ["DELETE FROM seaql_migrations", "DROP TABLE seaql_migrations"] {
        run(emptied).await;
        let behind = refused(&stack.url).await.unwrap();
        assert!(behind.contains("_ledger") && behind.contains("run `accounts-service migrate` first"), "{behind}");
    }
    let unmade = SchemaManager::new(&db.pool).has_table("seaql_migrations").await.unwrap();
    assert!(!unmade, "who only looks makes nothing");
    db.pool.clone().close().await.unwrap();
}

async fn a_release_starts_on_the_schema_of_a_newer_one(stack: Rc<Stack>) {
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let run = async |sql: &str| {
        db.pool.execute_unprepared(sql).await.unwrap();
    };
    run("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 1)").await;
    let older = Stack::start(stack.url.clone()).await;
    older.client.funded(&user(), 10).await;
    older.stop().await;

    run("DELETE FROM seaql_migrations WHERE version <> 'm9999_later'").await;
    let refused = db.migrate().await.unwrap_err().to_string();
    assert!(refused.contains("does not know (m9999_later)") && refused.contains("_ledger"), "{refused}");
    db.pool.clone().close().await.unwrap();
}
