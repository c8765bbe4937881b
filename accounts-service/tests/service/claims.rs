//! Requests under one key at once: one runs, the others wait for it, and for no longer than two seconds in all.

use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use accounts_service::db::{Backend, Database};
use futures_util::StreamExt;
use futures_util::future::{Either, join, join_all, join3, select};
use futures_util::stream::FuturesUnordered;
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};
use serde_json::json;

use crate::client::{Answer, pay, treasurer, user};
use crate::stack::{Stack, Which, on_database, run};
use crate::{on_both, on_two_processes};

on_both!(all_but_the_first_wait_two_seconds_in_all, of_transfers_all_but_the_first_wait_two_seconds);

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

/// Transfers have a way of their own.
async fn of_transfers_all_but_the_first_wait_two_seconds(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = (stack.client.funded(&who, 100).await, stack.client.open(&who, "user").await);
    let body = pay(&from, &to, 5);
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let holder = hold(&db).await;
    let asked = Instant::now();
    let mut answers: FuturesUnordered<_> = (0..20).map(|_| stack.client.transfer(&who, "k", &body)).collect();
    for _ in 0..19 {
        in_progress(answers.next().await.unwrap(), asked);
    }
    holder.rollback().await.unwrap();
    let first = answers.next().await.unwrap().expect(201);
    assert!(!first.replayed());
    assert_eq!(stack.client.balance(&who, &to).await, 5);
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
fn on_postgres_patience_with_a_key_may_outlast_the_pools_with_locks() {
    on_database(Which::Postgres, outlasting);
}

async fn outlasting(url: String) {
    let stack = Stack::set(url, &[("POSTING__KEY_WAIT", "6500ms")]).await;
    let (who, open) = (user(), json!({"name": "Savings", "currency": "EUR"}));
    let post = async |key| stack.client.post(&who, "/api/v1/accounts", &[("idempotency-key", key)], &open).await;
    let db = Database::connect(&stack.url, 3).await.unwrap();
    // What each of two requests leaves behind is taken out, and brought back by a transaction that another process has
    // begun: nobody sees it, and whoever claims its key waits for that transaction.
    let mut begun = Vec::new();
    for key in ["ends", "stays"] {
        let made = post(key).await.expect(201);
        db.pool.execute_unprepared(&format!("CREATE TABLE {key} AS TABLE idempotency_keys")).await.unwrap();
        db.pool.execute_unprepared("DELETE FROM idempotency_keys").await.unwrap();
        begun.push((made, key));
    }
    let mut holders = Vec::new();
    for (_, key) in &begun {
        let holder = db.pool.begin().await.unwrap();
        holder.execute_unprepared("SET LOCAL idle_in_transaction_session_timeout = 0").await.unwrap();
        holder.execute_unprepared(&format!("INSERT INTO idempotency_keys TABLE {key}")).await.unwrap();
        holders.push(holder);
    }
    let stays = holders.pop().unwrap();
    let asked = Instant::now();
    let end = async {
        let outlasted = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() \
                         AND query_start < clock_timestamp() - current_setting('lock_timeout')::interval";
        while db.pool.execute_unprepared(outlasted).await.unwrap().rows_affected() < 2 {
            assert!(asked.elapsed() < Duration::from_millis(6_500), "nobody waits for longer than the pool's locks");
        }
        holders.pop().unwrap().commit().await.unwrap();
    };
    let (ended, refused, ()) = join3(post("ends"), post("stays"), end).await;
    assert!(asked.elapsed() >= Duration::from_millis(6_400), "{:?}", asked.elapsed());
    let ended = ended.expect(201);
    assert!(ended.replayed() && ended.bytes == begun[0].0.bytes);
    let refused = refused.expect(409);
    assert_eq!(refused.code(), "idempotency_in_progress");
    assert!(refused.header("retry-after").is_some());
    stays.commit().await.unwrap();
    let after = post("stays").await.expect(201);
    assert!(after.replayed() && after.bytes == begun[1].0.bytes);
    stack.stop().await;
}

#[test]
fn on_postgres_an_expired_key_that_another_renews_is_waited_for_and_left_alone() {
    on_database(Which::Postgres, renewing);
}

async fn renewing(url: String) {
    let impatient = Stack::set(url.clone(), &[("POSTING__KEY_WAIT", "300ms")]).await;
    let patient = Stack::set(url, &[("POSTING__KEY_WAIT", "30s")]).await;
    let (who, open) = (user(), json!({"name": "Savings", "currency": "EUR"}));
    let post =
        async |stack: &Stack| stack.client.post(&who, "/api/v1/accounts", &[("idempotency-key", "k")], &open).await;
    let first = post(&patient).await.expect(201);
    let db = Database::connect(&patient.url, 2).await.unwrap();
    db.pool.execute_unprepared("UPDATE idempotency_keys SET expires_at = 0").await.unwrap();
    let holder = db.pool.begin().await.unwrap();
    holder.execute_unprepared("SELECT FROM idempotency_keys FOR UPDATE").await.unwrap();
    let waited_out = post(&impatient).await;
    let renew = async {
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        while db.pool.execute_unprepared(waiting).await.unwrap().rows_affected() == 0 {}
        let later = "UPDATE idempotency_keys SET expires_at = 9223372036854775807";
        holder.execute_unprepared(later).await.unwrap();
        holder.commit().await.unwrap();
    };
    let (renewed, ()) = join(post(&patient), renew).await;
    for answer in [waited_out, renewed] {
        let answer = answer.expect(409);
        assert_eq!(answer.code(), "idempotency_in_progress");
        assert!(answer.header("retry-after").is_some());
    }
    let again = post(&patient).await.expect(201);
    assert!(again.replayed() && again.bytes == first.bytes);
    let listed = patient.client.get(&who, "/api/v1/accounts").await.expect(200);
    assert_eq!(listed.json()["meta"]["total"], 1);
    impatient.stop().await;
    patient.stop().await;
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
