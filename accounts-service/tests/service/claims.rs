//! Requests under one key at once: one runs, the others wait for it, and for no longer than two seconds in all.

use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use accounts_service::db::{Backend, Database};
use futures_util::StreamExt;
use futures_util::future::{Either, join, join_all, select};
use futures_util::stream::FuturesUnordered;
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};
use serde_json::json;

use crate::client::{Answer, treasurer, user};
use crate::stack::{Stack, Which, run};
use crate::{on_both, on_two_processes};

on_both!(all_but_the_first_wait_two_seconds_in_all);

on_two_processes!(all_but_the_first_wait_two_seconds_in_all,);

/// As long as one waits, and less than it would be if one waited twice.
const TWO_SECONDS: std::ops::Range<Duration> = Duration::from_millis(1_900)..Duration::from_millis(3_500);

fn in_progress(answer: Answer, asked: Instant) {
    let answer = answer.expect(409);
    assert_eq!(answer.code(), "idempotency_in_progress");
    assert!(answer.header("retry-after").is_some());
    assert!(TWO_SECONDS.contains(&asked.elapsed()), "{:?}", asked.elapsed());
}

/// Holds what every request that opens an account needs.
async fn hold(db: &Database) -> DatabaseTransaction {
    let holder = db.write().await.unwrap();
    if matches!(db.backend, Backend::Postgres(_)) {
        holder.execute_unprepared("LOCK TABLE accounts IN EXCLUSIVE MODE").await.unwrap();
    }
    holder
}

async fn all_but_the_first_wait_two_seconds_in_all(stack: Rc<Stack>) {
    let (who, open) = (user(), json!({"name": "Savings", "currency": "EUR"}));
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let holder = hold(&db).await;
    let post = || stack.client.post(&who, "/api/v1/accounts", &[("idempotency-key", "k")], &open);
    let asked = Instant::now();
    let mut answers: FuturesUnordered<_> = (0..20).map(|_| post()).collect();
    for _ in 0..19 {
        in_progress(answers.next().await.unwrap(), asked);
    }
    holder.rollback().await.unwrap();
    let first = answers.next().await.unwrap().expect(201);
    assert!(!first.replayed());
    // What was done is told again even while nobody can write.
    let holder = hold(&db).await;
    let again = post().await.expect(201);
    assert!(again.replayed() && again.bytes == first.bytes);
    holder.rollback().await.unwrap();
}

#[test]
fn on_postgres_those_of_another_instance_wait_no_longer() {
    run(Which::Postgres, two_instances);
}

async fn two_instances(stack: Rc<Stack>) {
    let (who, open) = (user(), json!({"name": "Savings", "currency": "EUR"}));
    let db = Database::connect(&stack.url, 2).await.unwrap();
    let others = [Stack::start(stack.url.clone()).await, Stack::start(stack.url.clone()).await];
    let holder = hold(&db).await;
    let post = |stack: &Stack| {
        let (client, who, open) = (stack.client.clone(), who.clone(), open.clone());
        async move { client.post(&who, "/api/v1/accounts", &[("idempotency-key", "k")], &open).await }
    };
    let second = async {
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while db.pool.execute_unprepared(waiting).await.unwrap().rows_affected() == 0 {}
        let asked = Instant::now();
        let answers = join_all(others.iter().chain(&others).map(post)).await;
        answers.into_iter().for_each(|answer| in_progress(answer, asked));
        holder.rollback().await.unwrap();
    };
    let (first, ()) = join(post(&stack), second).await;
    assert!(!first.expect(201).replayed());
    for other in others {
        assert!(post(&other).await.expect(201).replayed());
        other.stop().await;
    }
}

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

#[test]
fn on_postgres_a_key_that_another_renewed_is_not_done_again() {
    run(Which::Postgres, renewed);
}

/// SQLite has one writer: there nobody renews what another has just found expired.
async fn renewed(stack: Rc<Stack>) {
    let (who, open) = (user(), json!({"name": "Savings", "currency": "EUR"}));
    // However slow the machine is.
    let patient = Stack::set(stack.url.clone(), &[("POSTING__KEY_WAIT", "20s")]).await;
    let post = || patient.client.post(&who, "/api/v1/accounts", &[("idempotency-key", "k")], &open);
    let first = post().await.expect(201);
    let db = Database::connect(&stack.url, 2).await.unwrap();
    // Whoever claims a key, and waits for no lock but by their statement's time, stops behind what they find.
    let stops = "CREATE FUNCTION stops() RETURNS boolean VOLATILE LANGUAGE plpgsql AS $$ BEGIN \
                 IF current_setting('lock_timeout') = '0' THEN PERFORM pg_advisory_xact_lock(7); END IF; RETURN true; END $$;
                 UPDATE idempotency_keys SET expires_at = 1;
                 ALTER TABLE idempotency_keys RENAME TO kept;
                 CREATE VIEW idempotency_keys AS SELECT * FROM kept WHERE stops()";
    db.pool.execute_unprepared(stops).await.unwrap();
    let holder = db.pool.begin().await.unwrap();
    holder.execute_unprepared("SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(7)").await.unwrap();
    let stopped = async {
        let waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 7 \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while db.pool.execute_unprepared(waiting).await.unwrap().rows_affected() == 0 {}
    };
    let second = match select(Box::pin(post()), pin!(stopped)).await {
        Either::Left((too_early, _)) => panic!("{}", String::from_utf8_lossy(&too_early.bytes)),
        Either::Right(((), second)) => second,
    };
    db.pool.execute_unprepared("UPDATE kept SET expires_at = 9000000000000000").await.unwrap();
    holder.rollback().await.unwrap();
    assert_eq!(second.await.expect(409).code(), "idempotency_in_progress");
    let third = post().await.expect(201);
    assert!(third.replayed() && third.bytes == first.bytes);
    assert_eq!(stack.client.get(&who, "/api/v1/accounts").await.expect(200).json()["meta"]["total"], 1);
    patient.stop().await;
}

#[test]
fn on_postgres_who_waits_for_an_expired_key_is_told_about_the_key() {
    run(Which::Postgres, renewing);
}

async fn renewing(stack: Rc<Stack>) {
    let (who, open) = (user(), json!({"name": "Savings", "currency": "EUR"}));
    let post = || stack.client.post(&who, "/api/v1/accounts", &[("idempotency-key", "k")], &open);
    post().await.expect(201);
    let db = Database::connect(&stack.url, 1).await.unwrap();
    db.pool.execute_unprepared("UPDATE idempotency_keys SET expires_at = 1").await.unwrap();
    // As one that is about to renew it.
    let holder = db.pool.begin().await.unwrap();
    holder.execute_unprepared("SELECT FROM idempotency_keys FOR UPDATE").await.unwrap();
    let asked = Instant::now();
    in_progress(post().await, asked);
    holder.rollback().await.unwrap();
    assert!(!post().await.expect(201).replayed(), "it is a new key");
}
