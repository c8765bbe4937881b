//! A database that answers and cannot: nobody's request is at fault, so nobody gets a 500.

use std::pin::pin;
use std::rc::Rc;

use accounts_service::db::{Backend, Database};
use accounts_service::posting::Failure;
use futures_util::future::{Either, join, select};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::client::{pay, user};
use crate::engine;
use crate::stack::{Stack, Which, run};

/// Cancels the engine's statement if it waits for a row, and affects one row if it did.
const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                      AND application_name = 'tollgate-posting' AND datname = current_database()";

#[test]
fn on_postgres_a_canceled_statement_is_run_again() {
    run(Which::Postgres, canceled);
}

async fn canceled(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 10).await;
    let to = stack.client.open(&who, "user").await;
    let db = Database::connect(&stack.url, 2).await.unwrap();
    let operator = async {
        let holder = db.pool.begin().await.unwrap();
        holder.execute_unprepared("SELECT FROM accounts FOR UPDATE").await.unwrap();
        // The fast commit, and two careful ones.
        for _ in 0..3 {
            while db.pool.execute_unprepared(CANCEL).await.unwrap().rows_affected() == 0 {}
        }
        holder.rollback().await.unwrap();
    };
    let body = pay(&from, &to, 1);
    let transfer = stack.client.transfer(&who, "canceled", &body);
    let answer = match select(pin!(operator), pin!(transfer)).await {
        Either::Left(((), transfer)) => transfer.await,
        Either::Right((too_early, _)) => too_early,
    };
    assert!(!answer.expect(201).replayed());
    assert_eq!(stack.client.balance(&who, &to).await, 1);
}

#[test]
fn on_postgres_a_read_only_server_is_503_and_nothing_is_frozen() {
    run(Which::Postgres, read_only_server);
}

async fn read_only_server(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 10).await;
    let to = stack.client.open(&who, "user").await;
    let db = Database::connect(&stack.url, 1).await.unwrap();
    // Sessions begun from now on can only read, as after a failover; the engine has to begin one.
    let turn = async |how: &str| {
        let set = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = ";
        db.pool.execute_unprepared(&format!("{set}{how}', current_database()); END $$")).await.unwrap();
    };
    turn("on").await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tollgate-posting' \
               AND datname = current_database()";
    db.pool.execute_unprepared(end).await.unwrap();
    let (one, other) = (pay(&from, &to, 1), pay(&from, &to, 11));
    let (one_hindered, other_hindered) =
        join(stack.client.transfer(&who, "one", &one), stack.client.transfer(&who, "other", &other)).await;
    for answer in [one_hindered, other_hindered] {
        let answer = answer.expect(503);
        assert_eq!(answer.code(), "database_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    turn("off").await;
    assert!(!stack.client.transfer(&who, "one", &one).await.expect(201).replayed());
    assert!(!stack.client.transfer(&who, "other", &other).await.expect(422).replayed());
}

#[test]
fn on_sqlite_a_read_only_file_is_503_and_nothing_is_frozen() {
    run(Which::Sqlite, read_only_file);
}

async fn read_only_file(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 10).await;
    let to = stack.client.open(&who, "user").await;
    let Backend::Sqlite(options) = Backend::parse(&stack.url).unwrap() else { unreachable!("the URL is SQLite's") };
    let ask = |amount| engine::unit(&who, 7, (&from, &to), amount);
    for (options, expected) in
        [(options.clone().read_only(true), Err(Failure::Unavailable)), (options, Ok((true, false)))]
    {
        let running = engine::start(&Backend::Sqlite(options));
        assert_eq!(engine::verdict(running.0.submit(ask(1)).await), expected);
        engine::stop(running).await;
    }
    assert_eq!(stack.client.balance(&who, &to).await, 1);
}
