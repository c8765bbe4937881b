//! Two requests under one key at once, on PostgreSQL: SQLite lets one writer in, so they never meet there.

use std::pin::pin;
use std::rc::Rc;

use accounts_service::db::Database;
use futures_util::future::{Either, join, select};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;

use crate::client::{Answer, treasurer, user};
use crate::stack::{Stack, Which, run};

#[test]
fn only_the_claim_is_impatient() {
    run(Which::Postgres, slow_work);
}

async fn slow_work(stack: Rc<Stack>) {
    let officer = treasurer();
    let path = format!("/api/v1/accounts/{}/freeze", stack.client.open(&user(), "user").await);
    let db = Database::connect(&stack.url, 2).await.unwrap();
    let holder = db.pool.begin().await.unwrap();
    holder.execute_unprepared("SELECT FROM accounts FOR UPDATE").await.unwrap();
    let freeze = async || stack.client.post(&officer, &path, &[("idempotency-key", "k")], &json!({})).await;

    // The first has claimed the key and waits for the account; the second waits for the key, and no longer than that.
    let second = async {
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while db.pool.execute_unprepared(waiting).await.unwrap().rows_affected() == 0 {}
        let second: Answer = freeze().await;
        holder.execute_unprepared("SELECT pg_sleep(0.5)").await.unwrap();
        holder.rollback().await.unwrap();
        second
    };
    let (first, second) = match select(pin!(freeze()), pin!(second)).await {
        Either::Left((too_early, _)) => panic!("{}", String::from_utf8_lossy(&too_early.bytes)),
        Either::Right((second, first)) => (first.await, second),
    };
    assert_eq!(second.expect(409).code(), "idempotency_in_progress");
    let first = first.expect(200);
    assert!(!first.replayed());
    let third = freeze().await.expect(200);
    assert!(third.replayed() && third.bytes == first.bytes);
}

#[test]
fn a_lock_timeout_is_known_in_every_language() {
    run(Which::Postgres, lock_timeout_in_german);
}

async fn lock_timeout_in_german(stack: Rc<Stack>) {
    let db = Database::connect(&stack.url, 1).await.unwrap();
    // As a server with `lc_messages = 'de_DE'` says it; such a one is not installed everywhere.
    let german = "CREATE FUNCTION sperre() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                  RAISE EXCEPTION 'storniere Anfrage wegen Zeitüberschreitung einer Sperre' USING ERRCODE = '55P03'; END $$;
                  CREATE TRIGGER sperre BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION sperre()";
    db.pool.execute_unprepared(german).await.unwrap();
    let (who, open) = (user(), json!({"name": "Savings", "currency": "EUR"}));
    let post = async |key: &'static str| {
        stack.client.post(&who, "/api/v1/accounts", &[("idempotency-key", key)], &open).await.expect(409)
    };
    let (one, other) = join(post("one"), post("other")).await;
    for answer in [one, other] {
        assert_eq!(answer.code(), "idempotency_in_progress");
        assert!(answer.header("retry-after").is_some());
    }
}
