//! The ledger as it stood at an instant: the same question has the same answer, whoever asks and whatever posts meanwhile.

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::history::{History, Unanswered, Window, seq_at};
use futures_util::future::{Either, join, join_all, select};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use shared::auth::User;
use shared::clock::{self, Clock};
use shared::domain::{AccountId, Role};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::client::{pay, someone, user};
use crate::on_both;
use crate::stack::{Stack, Which, run};

on_both!(
    a_window_is_what_posted_in_it,
    a_balance_is_shown_as_it_was,
    the_same_instant_asked_before_and_after_a_commit_answers_alike,
    instants_that_were_asked_about_under_load_keep_their_answers,
);

/// Microseconds since the epoch.
pub fn micros(instant: &Value) -> i64 {
    clock::to_micros(OffsetDateTime::parse(instant.as_str().unwrap(), &Rfc3339).unwrap())
}

pub fn text(micros: i64) -> String {
    clock::rfc3339(clock::from_micros(micros))
}

fn now() -> i64 {
    Clock::system().now_micros()
}

#[test]
fn an_entry_that_is_missing_is_no_balance_of_nothing() {
    run(Which::Postgres, async |stack: Rc<Stack>| {
        let who = user();
        let (from, to) = (stack.client.funded(&who, 100).await, stack.client.open(&who, "user").await);
        let mut posted = Vec::new();
        for key in ["one", "two"] {
            let answer = stack.client.transfer(&who, key, &pay(&from, &to, 7)).await.expect(201);
            posted.push(micros(&answer.json()["posted_at"]));
        }
        let path = format!("/api/v1/accounts/{to}/balance?at={}", text(posted[0]));
        assert_eq!(stack.client.get(&who, &path).await.expect(200).json()["balance"], json!(7));
        let db = Database::connect(&stack.url, 1).await.unwrap();
        let gone = format!(
            "SET session_replication_role = replica; DELETE FROM entries WHERE account_id = '{to}' AND seq = 1"
        );
        db.pool.execute_unprepared(&gone).await.unwrap();
        stack.client.get(&who, &path).await.expect(500);
    });
}

async fn a_window_is_what_posted_in_it(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 100).await;
    let to = stack.client.open(&who, "user").await;
    let mut posted = Vec::new();
    for n in 1..=5 {
        let answer = stack.client.transfer(&who, &n.to_string(), &pay(&from, &to, n)).await.expect(201);
        posted.push(micros(&answer.json()["posted_at"]));
    }
    let db = Database::connect(&stack.url, 1).await.unwrap();
    let history = History::new(db.clone(), Clock::system());
    let account: AccountId = from.parse().unwrap();
    let of = async |from: i64, to: i64| history.window(account, from, to).await.unwrap();

    // The first instant is within, the last is not.
    let middle = of(posted[1], posted[4]).await;
    assert_eq!(middle, Window { account, before: 2, last: 5, opening: 99, closing: 90 });
    let lines = middle.lines(&db, middle.before, 2).await.unwrap();
    let rest = middle.lines(&db, lines.last().unwrap().seq, 2).await.unwrap();
    let lines: Vec<_> = lines.into_iter().chain(rest).collect();
    assert_eq!(lines.iter().map(|line| (line.seq, line.amount)).collect::<Vec<_>>(), [(3, -2), (4, -3), (5, -4)]);
    assert!(lines.iter().all(|line| line.counterparty_id.to_string() == to));
    assert_eq!(middle.opening + lines.iter().map(|line| line.amount).sum::<i64>(), middle.closing);

    let whole = of(0, now()).await;
    assert_eq!((whole.before, whole.entries(), whole.opening, whole.closing), (0, 6, 0, 85));
    for empty in [of(0, 0).await, of(0, posted[0] - 10_000_000).await, of(i64::MIN, -1).await] {
        assert_eq!((empty.entries(), empty.opening, empty.closing), (0, 0, 0));
    }
    let backwards = of(posted[4], posted[1]).await;
    assert_eq!((backwards.entries(), backwards.opening), (0, 99));
    let beyond = history.window(account, 0, now() + 60_000_000).await.unwrap_err();
    assert!(matches!(beyond, Unanswered::Future));
    assert!(matches!(history.position_at(i64::MAX).await, Err(Unanswered::Future)));
    assert_eq!(seq_at(&db, account, i64::MAX).await.unwrap(), 6);
    assert_eq!(seq_at(&db, AccountId::generate(&Clock::system()), i64::MAX).await.unwrap(), 0);
    db.pool.close().await.unwrap();
}

fn path(account: &str, at: &str) -> String {
    format!("/api/v2/accounts/{account}/balance?at={at}")
}

async fn a_balance_is_shown_as_it_was(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 100).await;
    let to = stack.client.open(&who, "user").await;
    let paid = stack.client.transfer(&who, "a", &pay(&from, &to, 7)).await.expect(201).json()["posted_at"].clone();
    let posted = micros(&paid);
    let at = async |at: &str| stack.client.get(&who, &path(&from, at)).await;
    let was = async |micros: i64| {
        let shown = at(&text(micros)).await.expect(200).json();
        (shown["balance"].as_i64().unwrap(), shown["seq"].as_i64().unwrap())
    };
    assert_eq!(was(posted).await, (93, 2));
    assert_eq!(was(posted - 1).await, (100, 1));
    assert_eq!((was(0).await, was(-1).await), ((0, 0), (0, 0)));
    // Another offset, and more digits than are kept: cut towards the past.
    assert_eq!(at("2026-01-01T00:00:00.123456789%2B01:00").await.expect(200).json()["balance"], 0);
    let shown = at(&text(posted)).await.json();
    let whole = json!({
        "account_id": from, "at": paid, "balance": 93, "held": null, "available": null, "currency": "USD", "exponent": 2,
        "seq": 2,
    });
    assert_eq!(shown, whole);
    let present = stack.client.get(&who, &format!("/api/v1/accounts/{from}/balance")).await.expect(200).json();
    assert_eq!((&present["balance"], &present["held"], &present["available"]), (&json!(93), &json!(0), &json!(93)));

    let future = at(&text(now() + 3_600_000_000)).await.expect(422);
    assert_eq!((future.code().as_str(), &future.json()["errors"][0]["pointer"]), ("validation_failed", &json!("?at")));
    assert_eq!(at("9999-12-31T23:59:59Z").await.expect(422).code(), "validation_failed");
    for nonsense in ["", "yesterday", "2026-02-30T00:00:00Z", "2026-01-01", "1", "%F0%9F%95%B0"] {
        assert_eq!(at(nonsense).await.expect(400).code(), "malformed_query", "{nonsense}");
    }
    assert_eq!(stack.client.get(&who, &format!("{}&x=1", path(&from, &text(posted)))).await.status, 422);
    let instant = text(posted);
    assert_eq!(stack.client.get(&user(), &path(&from, &instant)).await.expect(404).code(), "not_found");
    stack.client.get(&someone(&[Role::Support]), &path(&from, &instant)).await.expect(200);
}

async fn the_same_instant_asked_before_and_after_a_commit_answers_alike(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 100).await;
    let to = stack.client.open(&who, "user").await;
    let slow = Clock::manual(Clock::system().now() - Duration::from_secs(3));
    let behind = Stack::start_by(stack.url.clone(), slow, &[]).await;
    for round in 0..5 {
        let at = now();
        let ask = async || stack.client.get(&who, &path(&from, &text(at))).await.expect(200).bytes;
        let before = ask().await;
        let key = format!("behind-{round}");
        let posted = behind.client.transfer(&who, &key, &pay(&from, &to, 1)).await.expect(201).json();
        assert!(micros(&posted["posted_at"]) > at, "nothing posts at an instant that was asked about");
        assert_eq!(ask().await, before);
        // What has posted is no future, whatever the clock of the process says that is asked.
        let there = behind.client.get(&who, &path(&from, posted["posted_at"].as_str().unwrap())).await.expect(200);
        assert_eq!(there.json()["balance"], 99 - round);
    }
    behind.stop().await;
}

#[test]
fn on_postgres_an_instant_between_asking_the_clock_and_committing_is_answered_alike() {
    run(Which::Postgres, held_between);
}

/// A batch that has asked the clock waits for its accounts, while another process is asked about an instant after that.
async fn held_between(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 100).await;
    let to = stack.client.open(&who, "user").await;
    let other = Stack::start(stack.url.clone()).await;
    let db = Database::connect(&stack.url, 2).await.unwrap();
    let holder = db.pool.begin().await.unwrap();
    holder.execute_unprepared("SELECT FROM accounts FOR UPDATE").await.unwrap();
    let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'tollgate-posting' \
                   AND datname = current_database()";
    let asked = async {
        while db.pool.execute_unprepared(waiting).await.unwrap().rows_affected() == 0 {}
        let at = now();
        let before = other.client.get(&who, &path(&from, &text(at))).await.expect(200);
        holder.rollback().await.unwrap();
        (at, before)
    };
    let body = pay(&from, &to, 1);
    let ((at, before), posted) = join(asked, stack.client.transfer(&who, "held", &body)).await;
    assert!(micros(&posted.expect(201).json()["posted_at"]) > at);
    for service in [&*stack, &other] {
        assert_eq!(service.client.get(&who, &path(&from, &text(at))).await.expect(200).bytes, before.bytes);
    }
    assert_eq!(before.json()["balance"], 100);
    other.stop().await;
    db.pool.close().await.unwrap();
}

async fn instants_that_were_asked_about_under_load_keep_their_answers(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 1_000).await;
    let to = stack.client.open(&who, "user").await;
    let second = Stack::start(stack.url.clone()).await;
    let body = pay(&from, &to, 1);
    let write = async |service: &Stack, name: &str| {
        for round in 0..20 {
            let keys: Vec<_> = (0..5).map(|n| format!("{name}-{round}-{n}")).collect();
            for answer in join_all(keys.iter().map(|key| service.client.transfer(&who, key, &body))).await {
                answer.expect(201);
            }
        }
    };
    let answers = {
        let mut writing = pin!(join(write(&stack, "one"), write(&second, "two")));
        let mut answers = Vec::new();
        loop {
            let at = text(now());
            let services = [&*stack, &second, &stack, &second];
            let asked = join_all(services.map(|service| ask(service, &who, &from, &at)));
            let (asked, written) = match select(&mut writing, pin!(asked)).await {
                Either::Left((_, asked)) => (asked.await, true),
                Either::Right((asked, _)) => (asked, false),
            };
            answers.extend(asked.into_iter().map(|answer| (at.clone(), answer)));
            if written {
                break answers;
            }
        }
    };
    assert!(answers.len() >= 8, "{}", answers.len());
    let last = stack.client.get(&who, &format!("/api/v1/accounts/{from}/entries?sort_order=desc")).await.json();
    assert_eq!(last["data"][0]["seq"], 201);
    for (at, answer) in answers {
        assert_eq!(ask(&stack, &who, &from, &at).await, answer, "{at}");
    }
    second.stop().await;
}

async fn ask(service: &Stack, who: &User, account: &str, at: &str) -> Value {
    service.client.get(who, &path(account, at)).await.expect(200).json()
}
