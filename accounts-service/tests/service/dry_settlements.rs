//! Posting, voiding and paying back can be tried out: decided by the same code, and nothing has changed afterwards.

use std::rc::Rc;

use accounts_service::db::Database;
use accounts_service::db::entity::transfer;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use shared::auth::User;

use crate::client::{Answer, pay, user};
use crate::holds::{act, held, hold, hold_for, sums};
use crate::on_both;
use crate::stack::Stack;

on_both!(
    what_is_tried_out_is_decided_and_changes_nothing,
    what_is_tried_out_is_declined_as_the_call_would_be,
    a_key_is_not_needed_to_try_and_is_free_afterwards,
    what_is_tried_out_is_looked_up_at_one_instant,
);

async fn attempt(stack: &Stack, who: &User, (id, what): (&str, &str), body: Value) -> Answer {
    stack.client.post(who, &format!("/api/v1/transfers/{id}/{what}?dry_run=true"), &[], &body).await
}

/// Everything that a settlement could leave behind: both accounts, the transfers, and what has happened.
async fn traces(stack: &Stack, who: &User, accounts: [&str; 2]) -> Vec<Value> {
    let mut traces = Vec::new();
    for path in ["/api/v1/transfers", "/api/v1/events?limit=100"] {
        traces.push(stack.client.get(who, path).await.expect(200).json()["data"].clone());
    }
    for account in accounts {
        traces.push(stack.client.get(who, &format!("/api/v1/accounts/{account}")).await.expect(200).json());
        traces.push(stack.client.get(who, &format!("/api/v1/accounts/{account}/entries")).await.expect(200).json());
    }
    traces
}

async fn what_is_tried_out_is_decided_and_changes_nothing(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let mut wish = hold(&from, &to, 60);
    wish["description"] = json!("Deposit");
    let pending = held(client, &who, "h", &wish).await;
    let paid = client.transfer(&who, "p", &pay(&from, &to, 30)).await.expect(201).json();
    let paid = paid["id"].as_str().unwrap();
    let before = traces(&stack, &who, [&from, &to]).await;
    for (id, what, body, shown) in [
        (pending.as_str(), "post", json!({"amount": 40}), (40, "posted", "pending_of", json!("Deposit"))),
        (&pending, "post", json!({}), (60, "posted", "pending_of", json!("Deposit"))),
        (&pending, "void", json!({}), (60, "voided", "pending_of", json!("Deposit"))),
        (
            paid,
            "reverse",
            json!({"amount": 5, "description": "Returned"}),
            (5, "posted", "reversal_of", json!("Returned")),
        ),
        (paid, "reverse", json!({}), (30, "posted", "reversal_of", Value::Null)),
    ] {
        let answer = attempt(&stack, &who, (id, what), body.clone()).await.expect(200);
        let (tried, (amount, status, names, description)) = (answer.json(), shown);
        assert_eq!(
            (&tried["id"], &tried["created_at"], &tried["posted_at"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert_eq!((&tried["amount"], &tried["status"]), (&json!(amount), &json!(status)), "{what} {body}");
        assert_eq!((&tried[names], &tried["description"]), (&json!(id), &description), "{what} {body}");
        assert!(answer.header("location").is_none() && !answer.replayed());
    }
    assert_eq!(traces(&stack, &who, [&from, &to]).await, before);
    assert_eq!(sums(client, &who, &from).await, [70, 60, 10]);
    // What was tried is what then happens.
    let tried = attempt(&stack, &who, (&pending, "post"), json!({"amount": 40})).await.expect(200).json();
    let done = act(client, &who, (&pending, "post", "real"), json!({"amount": 40})).await.expect(201).json();
    for member in
        ["debit_account_id", "credit_account_id", "amount", "status", "remaining", "description", "pending_of"]
    {
        assert_eq!(tried[member], done[member], "{member}");
    }
}

async fn what_is_tried_out_is_declined_as_the_call_would_be(stack: Rc<Stack>) {
    let (client, who, other) = (&stack.client, user(), user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&other, "user").await);
    let pending = held(client, &who, "h", &hold_for(&from, &to, 60, 3_600)).await;
    let paid = client.transfer(&who, "p", &pay(&from, &to, 30)).await.expect(201).json();
    let paid = paid["id"].as_str().unwrap();
    for (n, (by, id, what, body, status)) in [
        (&who, pending.as_str(), "post", json!({"amount": 61}), 422),
        (&who, &pending, "post", json!({"amount": 0}), 422),
        (&who, &pending, "post", json!({"amount": null}), 400),
        (&who, &pending, "reverse", json!({}), 403),
        (&other, &pending, "post", json!({}), 403),
        (&user(), &pending, "void", json!({}), 404),
        (&who, paid, "void", json!({}), 409),
        (&other, paid, "reverse", json!({"amount": 31}), 422),
        (&other, paid, "reverse", json!({"description": ""}), 422),
    ]
    .into_iter()
    .enumerate()
    {
        let tried = attempt(&stack, by, (id, what), body.clone()).await.expect(status);
        let done = act(client, by, (id, what, &format!("d-{n}")), body.clone()).await.expect(status);
        assert_eq!(tried.code(), done.code(), "{what} {body}");
    }
    let path = format!("/api/v1/transfers/{pending}/void?dry_run=perhaps");
    client.post(&who, &path, &[], &json!({})).await.expect(400);
}

async fn a_key_is_not_needed_to_try_and_is_free_afterwards(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let pending = held(client, &who, "h", &hold(&from, &to, 60)).await;
    let path = format!("/api/v1/transfers/{pending}/post?dry_run=true");
    let key = [("idempotency-key", "k")];
    client.post(&who, &path, &key, &json!({"amount": 1})).await.expect(200);
    // Nothing is kept of it: the key is another request's now.
    let done = act(client, &who, (&pending, "post", "k"), json!({"amount": 2})).await.expect(201);
    assert!(!done.replayed());
    assert_eq!(
        client.post(&who, &path, &key, &json!({"amount": 1})).await.expect(422).code(),
        "idempotency_key_reused"
    );
    client.post(&who, &path, &key, &json!({"amount": 2})).await.expect(200);
    let bad = [("idempotency-key", "a b")];
    client.post(&who, &path, &bad, &json!({})).await.expect(400);
    assert_eq!(sums(client, &who, &from).await, [98, 58, 40]);
}

async fn what_is_tried_out_is_looked_up_at_one_instant(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let db = Database::connect(&stack.url, 2).await.unwrap();
    let view = db.snapshot().await.unwrap();
    let before = transfer::Entity::find().count(&view).await.unwrap();
    client.transfer(&who, "meanwhile", &pay(&from, &to, 1)).await.expect(201);
    assert_eq!(transfer::Entity::find().count(&view).await.unwrap(), before);
    view.rollback().await.unwrap();
    assert_eq!(transfer::Entity::find().count(&db.pool).await.unwrap(), before + 1);
}
