//! A release starts on what a newer one has made of the database, and not on what another line has.

use std::rc::Rc;

use accounts_service::db::Database;
use sea_orm::ConnectionTrait;

use crate::client::user;
use crate::on_both;
use crate::stack::Stack;

on_both!(a_release_starts_on_the_schema_of_a_newer_one);

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
