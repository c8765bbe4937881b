//! Money is never made, lost or overdrawn, however many move it at once.

use std::rc::Rc;

use futures_util::future::join_all;
use serde_json::json;

use crate::client::{pay, someone, treasurer, user};
use crate::stack::Stack;
use crate::{on_both, on_two_processes};
use shared::domain::Role;

on_both!(
    fifty_debits_of_ten_on_a_hundred_are_ten,
    opposite_directions_never_fail,
    a_dry_run_decides_and_changes_nothing,
    batches_are_independent_or_atomic,
    two_instances_share_one_ledger,
    no_debit_commits_after_a_freeze,
    posted_rows_cannot_be_changed,
);

on_two_processes!(
    fifty_debits_of_ten_on_a_hundred_are_ten,
    opposite_directions_never_fail,
    a_dry_run_decides_and_changes_nothing,
    batches_are_independent_or_atomic,
    no_debit_commits_after_a_freeze,
);

async fn fifty_debits_of_ten_on_a_hundred_are_ten(stack: Rc<Stack>) {
    let payer = user();
    let from = stack.client.funded(&payer, 100).await;
    let to = stack.client.open(&payer, "user").await;
    let body = pay(&from, &to, 10);
    let keys: Vec<_> = (0..50).map(|n| format!("d-{n}")).collect();
    let debits = join_all(keys.iter().map(|key| stack.client.transfer(&payer, key, &body)));
    let reads = join_all((0..50).map(|_| stack.client.balance(&payer, &from)));
    let (answers, balances) = futures_util::future::join(debits, reads).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "insufficient_funds"));
    assert!(balances.iter().all(|balance| (0..=100).contains(balance)));
    assert_eq!(stack.client.balance(&payer, &from).await, 0);
}

async fn opposite_directions_never_fail(stack: Rc<Stack>) {
    let who = user();
    let (a, b) = (stack.client.funded(&who, 50).await, stack.client.funded(&who, 50).await);
    let clients = (0..32).map(|n| {
        let (stack, who, a, b) = (&stack, &who, &a, &b);
        async move {
            for round in 0..10 {
                let body = if n % 2 == 0 { pay(a, b, 20) } else { pay(b, a, 20) };
                let answer = stack.client.transfer(who, &format!("{n}-{round}"), &body).await;
                assert!(answer.status == 201 || answer.code() == "insufficient_funds", "{answer:?}");
            }
        }
    });
    join_all(clients).await;
    assert_eq!(stack.client.balance(&who, &a).await + stack.client.balance(&who, &b).await, 100);
}

async fn a_dry_run_decides_and_changes_nothing(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 10).await;
    let to = stack.client.open(&who, "user").await;
    let path = "/api/v1/transfers?dry_run=true";
    let would = stack.client.post(&who, path, &[], &pay(&from, &to, 10)).await.expect(200);
    assert_eq!(would.json()["id"], serde_json::Value::Null);
    assert_eq!(stack.client.post(&who, path, &[], &pay(&from, &to, 11)).await.code(), "insufficient_funds");
    assert_eq!(stack.client.balance(&who, &from).await, 10);
    let listed = stack.client.get(&who, &format!("/api/v1/accounts/{from}/entries")).await.expect(200);
    assert_eq!(listed.json()["data"].as_array().unwrap().len(), 1);
}

async fn batches_are_independent_or_atomic(stack: Rc<Stack>) {
    let who = user();
    let from = stack.client.funded(&who, 10).await;
    let to = stack.client.open(&who, "user").await;
    let items =
        json!([pay(&from, &to, 6), pay(&from, &to, 6), pay(&from, &to, 0), {"amount": 1.5}, pay(&from, &to, 4)]);
    let send = |mode: &'static str, key: &'static str, items: serde_json::Value| {
        let (stack, who) = (&stack, &who);
        let body = json!({"mode": mode, "transfers": items});
        async move { stack.client.post(who, "/api/v1/transfers/batch", &[("idempotency-key", key)], &body).await }
    };
    let atomic = send("atomic", "a", items.clone()).await.expect(422);
    assert_eq!(atomic.code(), "batch_declined");
    assert_eq!(stack.client.balance(&who, &from).await, 10);
    let short = send("atomic", "a2", json!([pay(&from, &to, 6), pay(&from, &to, 6)])).await.expect(422);
    let codes: Vec<_> =
        short.json()["results"].as_array().unwrap().iter().map(|r| r["problem"]["code"].clone()).collect();
    assert_eq!(codes, ["linked_item_declined", "insufficient_funds"]);
    assert_eq!(stack.client.balance(&who, &from).await, 10);

    let done = send("independent", "i", items).await.expect(200).json();
    let statuses: Vec<_> = done["results"].as_array().unwrap().iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [201, 422, 422, 400, 201]);
    assert_eq!(done["results"][2]["problem"]["code"], "amount_out_of_range");
    assert_eq!(stack.client.balance(&who, &from).await, 0);
    send("atomic", "whole", json!([pay(&to, &from, 4), pay(&to, &from, 6)])).await.expect(200);
    assert_eq!(stack.client.balance(&who, &from).await, 10);
    let many: Vec<_> = (0..8_001).map(|_| pay(&to, &from, 1)).collect();
    assert_eq!(send("independent", "x", json!(many)).await.code(), "validation_failed");
}

async fn two_instances_share_one_ledger(stack: Rc<Stack>) {
    let who = user();
    let other = Stack::start(stack.url.clone()).await;
    let (a, b) = (stack.client.funded(&who, 500).await, stack.client.funded(&who, 500).await);
    let clients = (0..16).map(|n| {
        let client = if n % 2 == 0 { &stack.client } else { &other.client };
        let (who, a, b) = (&who, &a, &b);
        async move {
            for round in 0..10 {
                let body = if n % 4 < 2 { pay(a, b, 30) } else { pay(b, a, 30) };
                let answer = client.transfer(who, &format!("{n}-{round}"), &body).await;
                assert!(answer.status == 201 || answer.code() == "insufficient_funds", "{answer:?}");
            }
        }
    });
    join_all(clients).await;
    assert_eq!(stack.client.balance(&who, &a).await + other.client.balance(&who, &b).await, 1_000);
    other.stop().await;
}

async fn no_debit_commits_after_a_freeze(stack: Rc<Stack>) {
    let (payer, officer) = (user(), someone(&[Role::Admin]));
    let from = stack.client.funded(&payer, 1_000).await;
    let to = stack.client.open(&payer, "user").await;
    let body = pay(&from, &to, 1);
    let keys: Vec<_> = (0..60).map(|n| format!("f-{n}")).collect();
    let debits = join_all(keys.iter().map(|key| stack.client.transfer(&payer, key, &body)));
    let freeze = async {
        let path = format!("/api/v1/accounts/{from}/freeze");
        stack.client.raw(&officer, "POST", &path, &[], None).await.expect(200);
        stack.client.balance(&payer, &from).await
    };
    let (_, frozen_at) = futures_util::future::join(debits, freeze).await;
    assert_eq!(stack.client.balance(&payer, &from).await, frozen_at);
    assert_eq!(stack.client.transfer(&payer, "late", &body).await.code(), "debit_account_frozen");
    stack.client.transfer(&payer, "back", &pay(&to, &from, 0)).await.expect(422);
    let path = format!("/api/v1/accounts/{from}/unfreeze");
    stack.client.raw(&officer, "POST", &path, &[], None).await.expect(200);
    stack.client.transfer(&payer, "after", &body).await.expect(201);
}

async fn posted_rows_cannot_be_changed(stack: Rc<Stack>) {
    let officer = treasurer();
    let bank = stack.client.open(&officer, "system").await;
    let to = stack.client.open(&officer, "user").await;
    stack.client.transfer(&officer, "k", &pay(&bank, &to, 1)).await.expect(201);
    let db = accounts_service::db::Database::connect(&stack.url, 1).await.unwrap();
    for sql in [
        "UPDATE transfers SET amount = 2",
        "DELETE FROM transfers",
        "UPDATE entries SET amount = 2",
        "DELETE FROM entries",
        "UPDATE accounts SET balance = -1 WHERE kind = 'user'",
    ] {
        let changed = sea_orm::ConnectionTrait::execute_unprepared(&db.pool, sql).await;
        assert!(changed.is_err(), "{sql}");
    }
}
