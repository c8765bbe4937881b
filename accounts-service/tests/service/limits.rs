//! Velocity limits: never more than so much in any stretch of time, however many ask at once.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::clock::Clock;
use shared::domain::Role;

use crate::client::{Answer, pay, someone, treasurer, user};
use crate::stack::{Stack, Which, on_database};
use crate::{on_both, on_two_processes};
use shared::auth::User;

on_both!(
    fifty_at_once_stay_within_the_limit,
    what_was_spent_before_counts_against_a_new_limit,
    limits_are_set_by_officers_and_read_by_owners,
    a_floor_and_a_ceiling_are_set_by_patch,
    nobody_bounds_an_account_of_their_own,
    a_user_has_so_many_accounts_and_no_more,
);

on_two_processes!(fifty_at_once_stay_within_the_limit, what_was_spent_before_counts_against_a_new_limit);

async fn limit(stack: &Stack, account: &str, limits: Value) -> Answer {
    let officer = someone(&[Role::Admin]);
    let path = format!("/api/v1/accounts/{account}/limits");
    stack.client.raw(&officer, "PUT", &path, &[], Some(json!({"limits": limits}).to_string())).await
}

async fn used(stack: &Stack, who: &User, account: &str) -> Vec<(i64, i64)> {
    let shown = stack.client.get(who, &format!("/api/v1/accounts/{account}/limits")).await.expect(200).json();
    let limits = shown["limits"].as_array().unwrap().iter();
    let used = |limit: &Value| (limit["used"]["amount"].as_i64().unwrap(), limit["used"]["count"].as_i64().unwrap());
    limits.map(used).collect()
}

async fn fifty_at_once_stay_within_the_limit(stack: Rc<Stack>) {
    let who = user();
    let (from, to) = (stack.client.funded(&who, 1_000).await, stack.client.open(&who, "user").await);
    limit(&stack, &from, json!([{"window": 3600, "amount": 100}, {"window": 86400, "count": 9}])).await.expect(200);
    let body = pay(&from, &to, 10);
    let keys: Vec<_> = (0..50).map(|n| format!("k-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| stack.client.transfer(&who, key, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 9);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "limit_exceeded"));
    assert_eq!(used(&stack, &who, &from).await, [(90, 9), (90, 9)]);
}

async fn what_was_spent_before_counts_against_a_new_limit(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 1_000).await, client.funded(&who, 1_000).await);
    let order = |key: &str, body: Value| {
        let (key, who, client) = (key.to_owned(), &who, client);
        async move { client.transfer(who, &key, &body).await.expect(201).json()["id"].as_str().unwrap().to_owned() }
    };
    let act = |id: String, what: &'static str, key: &'static str, body: Value| {
        let who = &who;
        async move {
            let path = format!("/api/v1/transfers/{id}/{what}");
            client.post(who, &path, &[("idempotency-key", key)], &body).await.expect(201)
        }
    };
    order("plain", pay(&from, &to, 10)).await;
    let mut hold = pay(&from, &to, 100);
    hold["pending"] = json!(true);
    let partly = order("partly", hold.clone()).await;
    act(partly.clone(), "post", "p", json!({"amount": 30, "release_remainder": true})).await;
    let voided = order("voided", hold.clone()).await;
    act(voided, "void", "v", json!({})).await;
    let open = order("open", hold).await;
    let received = order("received", pay(&to, &from, 50)).await;
    act(received, "reverse", "r", json!({})).await;
    // The plain one, what became of the first hold, and the open one. Not the refund that went out of the account.
    limit(&stack, &from, json!([{"window": 3600, "amount": 200}])).await.expect(200);
    assert_eq!(used(&stack, &who, &from).await, [(140, 3)]);
    assert_eq!(client.transfer(&who, "over", &pay(&from, &to, 61)).await.expect(422).code(), "limit_exceeded");
    act(open, "void", "v2", json!({})).await;
    assert_eq!(used(&stack, &who, &from).await, [(40, 2)]);
    // A window that stays keeps what counts; one that goes is forgotten.
    limit(&stack, &from, json!([{"window": 3600, "amount": 41}, {"window": 60, "count": 100}])).await.expect(200);
    assert_eq!(used(&stack, &who, &from).await, [(40, 2), (40, 2)]);
    assert_eq!(client.transfer(&who, "over2", &pay(&from, &to, 2)).await.expect(422).code(), "limit_exceeded");
    limit(&stack, &from, json!([])).await.expect(200);
    client.transfer(&who, "free", &pay(&from, &to, 500)).await.expect(201);
}

async fn limits_are_set_by_officers_and_read_by_owners(stack: Rc<Stack>) {
    let (client, who, officer) = (&stack.client, user(), someone(&[Role::Admin]));
    let account = client.open(&who, "user").await;
    let path = format!("/api/v1/accounts/{account}/limits");
    let body = json!({"limits": [{"window": 86400, "amount": 5}]}).to_string();
    client.raw(&who, "PUT", &path, &[], Some(body.clone())).await.expect(403);
    client.raw(&user(), "PUT", &path, &[], Some(body.clone())).await.expect(404);
    client.get(&user(), &path).await.expect(404);
    let none = client.get(&who, &path).await.expect(200);
    assert_eq!(none.json(), json!({"limits": []}));
    let etag = none.header("etag").unwrap().to_owned();
    client.raw(&who, "GET", &path, &[("if-none-match", &etag)], None).await.expect(304);
    client.raw(&officer, "PUT", &path, &[("if-match", "\"stale\"")], Some(body.clone())).await.expect(412);
    let set = client.raw(&officer, "PUT", &path, &[("if-match", &etag)], Some(body.clone())).await.expect(200);
    assert_eq!(set.json()["limits"][0]["used"], json!({"amount": 0, "count": 0}));
    assert_ne!(set.header("etag").unwrap(), etag);
    for bad in [
        json!({"limits": [{"window": 1, "amount": 5}]}),
        json!({"limits": [{"window": 60}]}),
        json!({"limits": [{"window": 60, "amount": -1}]}),
        json!({"limits": [{"window": 60, "count": 1}, {"window": 60, "count": 2}]}),
        json!({}),
    ] {
        let refused = client.raw(&officer, "PUT", &path, &[], Some(bad.to_string())).await.expect(422);
        assert_eq!(refused.code(), "validation_failed", "{bad}");
    }
    client.raw(&officer, "PUT", &path, &[], Some(json!({"limits": [{"window": 1.5}]}).to_string())).await.expect(400);
    client.raw(&who, "POST", &format!("/api/v1/accounts/{account}/close"), &[], None).await.expect(200);
    client.raw(&officer, "PUT", &path, &[], Some(body)).await.expect(409);
}

async fn a_floor_and_a_ceiling_are_set_by_patch(stack: Rc<Stack>) {
    let (client, who, officer) = (&stack.client, user(), someone(&[Role::Admin]));
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let patch = |who: &User, account: &str, body: Value| {
        let (who, path) = (who.clone(), format!("/api/v1/accounts/{account}"));
        async move { client.raw(&who, "PATCH", &path, &[], Some(body.to_string())).await }
    };
    patch(&who, &from, json!({"floor": -50})).await.expect(403);
    patch(&officer, &from, json!({"floor": -50, "name": "x"})).await.expect(403);
    patch(&officer, &from, json!({"floor": -50})).await.expect(403);
    patch(&officer, &from, json!({"floor": null})).await.expect(403);
    let set = patch(&treasurer(), &from, json!({"floor": -50})).await.expect(200).json();
    assert_eq!((&set["floor"], &set["ceiling"]), (&json!(-50), &Value::Null));
    client.transfer(&who, "overdraft", &pay(&from, &to, 150)).await.expect(201);
    assert_eq!(client.transfer(&who, "more", &pay(&from, &to, 1)).await.code(), "insufficient_funds");
    patch(&officer, &from, json!({"floor": 0})).await.expect(409);
    patch(&officer, &to, json!({"ceiling": 149})).await.expect(409);
    patch(&officer, &to, json!({"ceiling": 160})).await.expect(200);
    let bank = client.funded(&who, 100).await;
    assert_eq!(client.transfer(&who, "full", &pay(&bank, &to, 11)).await.expect(422).code(), "limit_exceeded");
    client.transfer(&who, "fits", &pay(&bank, &to, 10)).await.expect(201);
    patch(&officer, &to, json!({"ceiling": null})).await.expect(200);
    client.transfer(&who, "again", &pay(&bank, &to, 11)).await.expect(201);
    for bad in [json!({"floor": 9_007_199_254_740_992_i64}), json!({"ceiling": -9_007_199_254_740_992_i64})] {
        patch(&officer, &to, bad).await.expect(422);
    }
    patch(&officer, &to, json!({"floor": "0"})).await.expect(400);
}

async fn nobody_bounds_an_account_of_their_own(stack: Rc<Stack>) {
    let client = &stack.client;
    for role in [Role::Admin, Role::Treasurer] {
        let officer = someone(&[role]);
        let own = client.open(&officer, "user").await;
        let path = format!("/api/v1/accounts/{own}");
        for bounds in [json!({"floor": null}), json!({"floor": -1}), json!({"floor": 0}), json!({"ceiling": 5})] {
            client.raw(&officer, "PATCH", &path, &[], Some(bounds.to_string())).await.expect(403);
        }
        let limits = json!({"limits": [{"window": 60, "count": 1}]}).to_string();
        client.raw(&officer, "PUT", &format!("{path}/limits"), &[], Some(limits)).await.expect(403);
        client.raw(&officer, "PATCH", &path, &[], Some(json!({"name": "Mine"}).to_string())).await.expect(200);
        // Another may.
        client.raw(&treasurer(), "PATCH", &path, &[], Some(json!({"floor": null}).to_string())).await.expect(200);
    }
    // A system account is nobody's own, whoever has opened it; below zero it goes by a treasurer's word.
    let officer = treasurer();
    let bank = client.open(&officer, "system").await;
    let path = format!("/api/v1/accounts/{bank}");
    let admin = someone(&[Role::Admin]);
    client.raw(&admin, "PATCH", &path, &[], Some(json!({"floor": 0}).to_string())).await.expect(200);
    client.raw(&admin, "PATCH", &path, &[], Some(json!({"floor": null}).to_string())).await.expect(403);
    let bounds = json!({"floor": null, "ceiling": 10}).to_string();
    client.raw(&officer, "PATCH", &path, &[], Some(bounds)).await.expect(200);
}

async fn a_user_has_so_many_accounts_and_no_more(stack: Rc<Stack>) {
    let few = Stack::set(stack.url.clone(), &[("ACCOUNTS__PER_USER", "2")]).await;
    let (client, who) = (&few.client, user());
    let first = client.open(&who, "user").await;
    client.raw(&who, "POST", &format!("/api/v1/accounts/{first}/close"), &[], None).await.expect(200);
    client.open(&who, "user").await;
    let third = json!({"name": "Third", "currency": "USD"});
    let key = [("idempotency-key", "third")];
    assert_eq!(client.post(&who, "/api/v1/accounts", &key, &third).await.expect(409).code(), "too_many_accounts");
    client.open(&user(), "user").await;
    let officer = treasurer();
    for _ in 0..3 {
        client.open(&officer, "system").await;
    }
    // More are allowed now: the same request goes through.
    stack.client.post(&who, "/api/v1/accounts", &key, &third).await.expect(201);
    few.stop().await;
}

/// SQLite has no such time; its statements are bounded by what they look at alone.
#[test]
fn on_postgres_a_statement_of_the_pool_ends_in_time() {
    on_database(Which::Postgres, async |url| {
        use sea_orm::{ConnectionTrait, Statement};
        let db = accounts_service::db::Database::connect(&url, 1).await.unwrap();
        let shown = Statement::from_string(db.pool.get_database_backend(), "SHOW statement_timeout");
        let row = db.pool.query_one_raw(shown).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "20s");
    });
}

/// SQLite has no locks on rows.
#[test]
fn on_postgres_a_stranger_waits_for_no_row() {
    crate::stack::run(Which::Postgres, async |stack: Rc<Stack>| {
        use sqlx::{Connection, Executor, PgConnection};
        let (who, stranger) = (user(), user());
        let account = stack.client.open(&who, "user").await;
        let mut other = PgConnection::connect(&stack.url).await.unwrap();
        other.execute("BEGIN").await.unwrap();
        other.execute("SELECT FROM accounts FOR UPDATE").await.unwrap();
        let path = format!("/api/v1/accounts/{account}");
        let asked = stack.client.raw(&stranger, "PATCH", &path, &[], Some(r#"{"name": "x"}"#.to_owned()));
        let answer = tokio::time::timeout(Duration::from_secs(10), asked).await.expect("it waits for the lock");
        answer.expect(404);
        other.execute("ROLLBACK").await.unwrap();
    });
}

/// By a clock of the test's: what counts, and that it counts no more when its time is over.
fn a_window_slides(which: Which) {
    on_database(which, async |url| {
        let clock = Clock::manual(Clock::system().now());
        let stack = Stack::start_by(url, clock.clone(), &[]).await;
        let (client, who) = (&stack.client, user());
        let (from, to) = (client.funded(&who, 1_000).await, client.open(&who, "user").await);
        limit(&stack, &from, json!([{"window": 60, "amount": 100}])).await.expect(200);
        let mut key = 0;
        let mut order = async |amount: i64| {
            key += 1;
            client.transfer(&who, &format!("k-{key}"), &pay(&from, &to, amount)).await
        };
        order(60).await.expect(201);
        clock.advance(Duration::from_secs(30));
        order(40).await.expect(201);
        assert_eq!(order(1).await.expect(422).code(), "limit_exceeded");
        clock.advance(Duration::from_secs(29));
        assert_eq!(order(1).await.expect(422).code(), "limit_exceeded");
        clock.advance(Duration::from_secs(2));
        // The first counts no more; the second does.
        order(60).await.expect(201);
        assert_eq!(order(1).await.expect(422).code(), "limit_exceeded");
        assert_eq!(used(&stack, &who, &from).await, [(100, 2)]);
        clock.advance(Duration::from_secs(61));
        assert_eq!(used(&stack, &who, &from).await, [(0, 0)]);
        stack.stop().await;
    });
}

#[test]
fn a_window_slides_on_sqlite() {
    a_window_slides(Which::Sqlite);
}

#[test]
fn a_window_slides_on_postgres() {
    a_window_slides(Which::Postgres);
}
