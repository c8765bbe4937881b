//! Pending transfers: what they hold is spent, and is paid or free again exactly once, whoever asks and whenever.

use std::rc::Rc;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use shared::domain::Role;

use crate::client::{Answer, Client, pay, someone, treasurer, user};
use crate::stack::Stack;
use crate::{on_both, on_two_processes};
use shared::auth::User;

on_both!(
    fifty_posts_of_one_hold_pay_it_once,
    partial_posts_at_once_never_exceed_what_is_held,
    post_and_void_at_once_leave_one_winner,
    close_and_hold_race,
    freeze_then_post_is_refused,
    a_void_frees_on_a_frozen_account,
    incoming_holds_are_not_spendable,
    a_batch_item_sees_the_hold_before_it,
    an_atomic_batch_with_a_bad_last_item_leaves_no_hold_slice_or_reference,
    a_demoted_treasurer_posts_no_hold_of_others,
    who_may_do_what_and_who_learns_of_it,
    a_replay_is_the_first_answer_and_another_request_is_refused,
    a_dry_run_holds_nothing,
    bad_bodies_are_told_apart,
);

on_two_processes!(
    fifty_posts_of_one_hold_pay_it_once,
    partial_posts_at_once_never_exceed_what_is_held,
    post_and_void_at_once_leave_one_winner,
    close_and_hold_race,
    a_batch_item_sees_the_hold_before_it,
    an_atomic_batch_with_a_bad_last_item_leaves_no_hold_slice_or_reference,
);

/// The body of a pending transfer.
pub fn hold(from: &str, to: &str, amount: i64) -> Value {
    let mut body = pay(from, to, amount);
    body["pending"] = json!(true);
    body
}

/// The same, for so many seconds.
pub fn hold_for(from: &str, to: &str, amount: i64, seconds: i64) -> Value {
    let mut body = hold(from, to, amount);
    body["expires_in"] = json!(seconds);
    body
}

/// Its id, once it is made.
pub async fn held(client: &Client, who: &User, key: &str, body: &Value) -> String {
    let made = client.transfer(who, key, body).await.expect(201).json();
    assert_eq!((&made["status"], &made["posted_at"]), (&json!("pending"), &Value::Null));
    made["id"].as_str().unwrap().to_owned()
}

/// Does something to a transfer under a key.
pub async fn act(client: &Client, who: &User, (id, what, key): (&str, &str, &str), body: Value) -> Answer {
    client.post(who, &format!("/api/v1/transfers/{id}/{what}"), &[("idempotency-key", key)], &body).await
}

/// Balance, held and available.
pub async fn sums(client: &Client, who: &User, account: &str) -> [i64; 3] {
    let shown = client.get(who, &format!("/api/v1/accounts/{account}")).await.expect(200).json();
    ["balance", "held", "available"].map(|member| shown[member].as_i64().unwrap())
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

async fn fifty_posts_of_one_hold_pay_it_once(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = held(client, &who, "h", &hold(&from, &to, 60)).await;
    assert_eq!(sums(client, &who, &from).await, [100, 60, 40]);
    let keys: Vec<_> = (0..50).map(|n| format!("p-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| act(client, &who, (&id, "post", key), json!({})))).await;
    assert_eq!(count(&answers, 201), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "transfer_not_pending"));
    assert_eq!((sums(client, &who, &from).await, client.balance(&who, &to).await), ([40, 0, 40], 60));
}

async fn partial_posts_at_once_never_exceed_what_is_held(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = held(client, &who, "h", &hold(&from, &to, 100)).await;
    let keys: Vec<_> = (0..50).map(|n| format!("p-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| act(client, &who, (&id, "post", key), json!({"amount": 30})))).await;
    assert_eq!(count(&answers, 201), 3);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "amount_exceeds_pending"));
    assert_eq!(sums(client, &who, &from).await, [10, 10, 0]);
    let last = act(client, &who, (&id, "post", "last"), json!({"amount": 4, "release_remainder": true})).await;
    assert_eq!(last.expect(201).json()["pending_of"], json!(id));
    assert_eq!(sums(client, &who, &from).await, [6, 0, 6]);
}

async fn post_and_void_at_once_leave_one_winner(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    for round in 0..5 {
        let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
        let id = held(client, &who, &format!("h-{round}"), &hold(&from, &to, 60)).await;
        let keys: Vec<_> = (0..20).map(|n| format!("{round}-{n}")).collect();
        let what = |n: usize| if n.is_multiple_of(2) { "post" } else { "void" };
        let acts = keys.iter().enumerate().map(|(n, key)| act(client, &who, (&id, what(n), key), json!({})));
        let answers = join_all(acts).await;
        assert_eq!(count(&answers, 201), 1);
        let done = answers.iter().find(|answer| answer.status == 201).unwrap().json();
        let expected = if done["status"] == "voided" { ([100, 0, 100], 0) } else { ([40, 0, 40], 60) };
        assert_eq!((sums(client, &who, &from).await, client.balance(&who, &to).await), expected);
    }
}

async fn close_and_hold_race(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let officer = treasurer();
    for round in 0..5 {
        let bank = client.open(&officer, "system").await;
        let to = client.open(&who, "user").await;
        // A system account is empty and may be debited all the same.
        let keys: Vec<_> = (0..10).map(|n| format!("{round}-{n}")).collect();
        let body = hold(&bank, &to, 1);
        let holds = join_all(keys.iter().map(|key| client.transfer(&officer, key, &body)));
        let path = format!("/api/v1/accounts/{bank}/close");
        let (holds, closed) = join(holds, client.post(&officer, &path, &[], &json!({}))).await;
        let made = i64::try_from(count(&holds, 201)).unwrap();
        match closed.status {
            200 => assert_eq!(made, 0, "closed with something held"),
            _ => assert_eq!(closed.code(), "account_not_empty"),
        }
        assert_eq!(sums(client, &officer, &bank).await[1], made);
    }
}

async fn freeze_then_post_is_refused(stack: Rc<Stack>) {
    let (client, who, officer) = (&stack.client, user(), someone(&[Role::Admin]));
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = held(client, &who, "h", &hold(&from, &to, 60)).await;
    client.raw(&officer, "POST", &format!("/api/v1/accounts/{from}/freeze"), &[], None).await.expect(200);
    assert_eq!(act(client, &who, (&id, "post", "p"), json!({})).await.expect(409).code(), "debit_account_frozen");
    client.raw(&officer, "POST", &format!("/api/v1/accounts/{from}/unfreeze"), &[], None).await.expect(200);
    // The decline stands under its key; another one posts.
    assert!(act(client, &who, (&id, "post", "p"), json!({})).await.expect(409).replayed());
    act(client, &who, (&id, "post", "p2"), json!({})).await.expect(201);
}

async fn a_void_frees_on_a_frozen_account(stack: Rc<Stack>) {
    let (client, who, officer) = (&stack.client, user(), someone(&[Role::Admin]));
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = held(client, &who, "h", &hold(&from, &to, 60)).await;
    client.raw(&officer, "POST", &format!("/api/v1/accounts/{from}/freeze"), &[], None).await.expect(200);
    let voided = act(client, &who, (&id, "void", "v"), json!({})).await.expect(201).json();
    assert_eq!(
        (&voided["status"], &voided["amount"], &voided["posted_at"]),
        (&json!("voided"), &json!(60), &Value::Null)
    );
    assert_eq!(sums(client, &who, &from).await, [100, 0, 100]);
    assert_eq!(client.balance(&who, &to).await, 0);
}

async fn incoming_holds_are_not_spendable(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = held(client, &who, "h", &hold(&from, &to, 60)).await;
    assert_eq!(client.transfer(&who, "early", &pay(&to, &from, 1)).await.code(), "insufficient_funds");
    act(client, &who, (&id, "post", "p"), json!({"amount": 25})).await.expect(201);
    assert_eq!(client.transfer(&who, "much", &pay(&to, &from, 26)).await.code(), "insufficient_funds");
    client.transfer(&who, "due", &pay(&to, &from, 25)).await.expect(201);
}

async fn a_batch_item_sees_the_hold_before_it(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let items = json!([hold(&from, &to, 60), pay(&from, &to, 50), hold(&from, &to, 41), pay(&from, &to, 40)]);
    let body = json!({"mode": "independent", "transfers": items});
    let answer = client.post(&who, "/api/v1/transfers/batch", &[("idempotency-key", "b")], &body).await.expect(200);
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap().iter();
    let told: Vec<_> = results.map(|result| (&result["transfer"]["status"], &result["problem"]["code"])).collect();
    let (none, short) = (Value::Null, json!("insufficient_funds"));
    assert_eq!(told, [(&json!("pending"), &none), (&none, &short), (&none, &short), (&json!("posted"), &none)]);
    assert_eq!(sums(client, &who, &from).await, [60, 60, 0]);
    let again = client.post(&who, "/api/v1/transfers/batch", &[("idempotency-key", "b")], &body).await.expect(200);
    assert!(again.replayed() && again.json() == answer);
}

async fn an_atomic_batch_with_a_bad_last_item_leaves_no_hold_slice_or_reference(stack: Rc<Stack>) {
    let (client, who, officer) = (&stack.client, user(), someone(&[Role::Admin]));
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let limits = json!({"limits": [{"window": 3600, "amount": 100}]});
    let path = format!("/api/v1/accounts/{from}/limits");
    client.raw(&officer, "PUT", &path, &[], Some(limits.to_string())).await.expect(200);
    let mut good = hold(&from, &to, 60);
    good["external_ref"] = json!("order-1");
    let body = json!({"mode": "atomic", "transfers": [good, pay(&from, &to, 41)]});
    let answer = client.post(&who, "/api/v1/transfers/batch", &[("idempotency-key", "b")], &body).await;
    assert_eq!(answer.expect(422).code(), "batch_declined");
    assert_eq!(sums(client, &who, &from).await, [100, 0, 100]);
    let used = client.get(&who, &path).await.expect(200).json()["limits"][0]["used"].clone();
    assert_eq!(used, json!({"amount": 0, "count": 0}));
    client.transfer(&who, "alone", &good).await.expect(201);
    let used = client.get(&who, &path).await.expect(200).json()["limits"][0]["used"].clone();
    assert_eq!(used, json!({"amount": 60, "count": 1}));
}

async fn a_demoted_treasurer_posts_no_hold_of_others(stack: Rc<Stack>) {
    let (client, who, officer) = (&stack.client, user(), treasurer());
    let demoted = User { roles: user().roles, ..officer.clone() };
    let bank = client.open(&officer, "system").await;
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let own = held(client, &officer, "own", &hold(&bank, &to, 5)).await;
    let others = held(client, &who, "others", &hold(&from, &to, 5)).await;
    for what in ["post", "void"] {
        let key = format!("{what}-own");
        assert_eq!(act(client, &demoted, (&own, what, &key), json!({})).await.expect(403).code(), "forbidden");
        let key = format!("{what}-others");
        assert_eq!(act(client, &demoted, (&others, what, &key), json!({})).await.expect(404).code(), "not_found");
    }
    act(client, &officer, (&own, "post", "p"), json!({})).await.expect(201);
    act(client, &officer, (&others, "post", "p2"), json!({})).await.expect(201);
}

async fn who_may_do_what_and_who_learns_of_it(stack: Rc<Stack>) {
    let (client, payer, payee) = (&stack.client, user(), user());
    let (stranger, support) = (user(), someone(&[Role::Support]));
    let (from, to) = (client.funded(&payer, 100).await, client.open(&payee, "user").await);
    let one = held(client, &payer, "1", &hold(&from, &to, 10)).await;
    let two = held(client, &payer, "2", &hold(&from, &to, 10)).await;
    assert_eq!(act(client, &payee, (&one, "post", "k"), json!({})).await.expect(403).code(), "forbidden");
    act(client, &stranger, (&one, "post", "k"), json!({})).await.expect(404);
    act(client, &support, (&one, "void", "k"), json!({})).await.expect(403);
    act(client, &payee, (&one, "void", "v"), json!({})).await.expect(201);
    let posted = act(client, &payer, (&two, "post", "p"), json!({})).await.expect(201);
    let location = posted.header("location").unwrap().to_owned();
    let posted = posted.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/api/v1/transfers/{posted}"));
    client.get(&payee, &location).await.expect(200);
    act(client, &payer, (&posted, "reverse", "r"), json!({})).await.expect(403);
    act(client, &payee, (&posted, "reverse", "r"), json!({})).await.expect(201);
    // Pending ones and reversals are not reversed, and none of this is there for an id of nothing.
    assert_eq!(act(client, &payee, (&two, "reverse", "r2"), json!({})).await.expect(409).code(), "transfer_not_posted");
    let nothing = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
    for what in ["post", "void", "reverse"] {
        act(client, &payer, (nothing, what, "n"), json!({})).await.expect(404);
        let path = format!("/api/v1/transfers/{nothing}/{what}");
        let keyless = client.post(&payer, &path, &[], &json!({})).await.expect(400);
        assert_eq!(keyless.code(), "idempotency_key_required");
    }
}

async fn a_replay_is_the_first_answer_and_another_request_is_refused(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let mut order = hold(&from, &to, 60);
    (order["description"], order["metadata"]) = (json!("Groceries"), json!({"shop": 7}));
    let id = held(client, &who, "h", &order).await;
    let first = act(client, &who, (&id, "post", "p"), json!({"amount": 20})).await.expect(201);
    let again = act(client, &who, (&id, "post", "p"), json!({"amount": 20})).await.expect(201);
    assert!(again.replayed() && again.bytes == first.bytes);
    let posted = first.json();
    assert_eq!((&posted["description"], &posted["metadata"]), (&json!("Groceries"), &json!({"shop": 7})));
    for other in [json!({"amount": 21}), json!({}), json!({"amount": 20, "release_remainder": true})] {
        let refused = act(client, &who, (&id, "post", "p"), other).await.expect(422);
        assert_eq!(refused.code(), "idempotency_key_reused");
    }
    // The key's scope is the route: as a pattern, so the path's id is part of the request.
    let other = held(client, &who, "h2", &hold(&from, &to, 5)).await;
    assert_eq!(act(client, &who, (&other, "post", "p"), json!({"amount": 20})).await.code(), "idempotency_key_reused");
    act(client, &who, (&other, "void", "p"), json!({})).await.expect(201);
    let none =
        client.raw(&who, "POST", &format!("/api/v1/transfers/{id}/void"), &[("idempotency-key", "v")], None).await;
    assert_eq!(none.expect(201).json()["amount"], 40);
}

async fn a_dry_run_holds_nothing(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let would =
        client.post(&who, "/api/v1/transfers?dry_run=true", &[], &hold_for(&from, &to, 60, 60)).await.expect(200);
    let would = would.json();
    assert_eq!((&would["status"], &would["id"]), (&json!("pending"), &Value::Null));
    assert!(would["expires_at"].is_string());
    assert_eq!(sums(client, &who, &from).await, [100, 0, 100]);
    held(client, &who, "h", &hold(&from, &to, 60)).await;
    let refused = client.post(&who, "/api/v1/transfers?dry_run=true", &[], &pay(&from, &to, 41)).await;
    assert_eq!(refused.code(), "insufficient_funds");
}

async fn bad_bodies_are_told_apart(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let with = |member: &str, value: Value| {
        let mut body = hold(&from, &to, 1);
        body[member] = value;
        body
    };
    for (n, (body, status, code)) in [
        (with("expires_in", json!(0)), 422, "validation_failed"),
        (with("expires_in", json!(31_622_401)), 422, "validation_failed"),
        (with("expires_in", json!(1.5)), 400, "malformed_body"),
        (with("expires_in", json!("60")), 400, "malformed_body"),
        (with("pending", json!("yes")), 400, "malformed_body"),
        (with("pending", Value::Null), 400, "malformed_body"),
        (hold_for(&from, &to, 0, 60), 422, "amount_out_of_range"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(client.transfer(&who, &format!("b-{n}"), &body).await.expect(status).code(), code, "{body}");
    }
    let mut endless = pay(&from, &to, 1);
    endless["expires_in"] = json!(60);
    assert_eq!(client.transfer(&who, "e", &endless).await.expect(422).code(), "validation_failed");
    let id = held(client, &who, "h", &hold(&from, &to, 10)).await;
    for (body, status, code) in [
        (json!({"amount": null}), 400, "malformed_body"),
        (json!({"amount": 1.0}), 400, "malformed_body"),
        (json!({"amount": "1"}), 400, "malformed_body"),
        (json!({"amount": 0}), 422, "amount_out_of_range"),
        (json!({"amount": 9_007_199_254_740_992_i64}), 422, "amount_out_of_range"),
        (json!({"amount": 11}), 422, "amount_exceeds_pending"),
        (json!({"all": true}), 422, "validation_failed"),
        (json!([]), 400, "malformed_body"),
    ] {
        let key = format!("p-{status}-{}", body.to_string().len());
        assert_eq!(act(client, &who, (&id, "post", &key), body.clone()).await.expect(status).code(), code, "{body}");
    }
    assert_eq!(sums(client, &who, &from).await, [100, 10, 90]);
}
