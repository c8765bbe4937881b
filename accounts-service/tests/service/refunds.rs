//! Reversals never add up to more than the original, and a reference is one transfer's only.

use std::rc::Rc;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::client::{Answer, pay, treasurer, user};
use crate::stack::Stack;
use crate::{on_both, on_two_processes};
use shared::auth::User;

on_both!(
    two_partial_refunds_never_exceed,
    refund_and_spend_race_for_the_same_money,
    a_refund_is_a_transfer_of_its_own,
    the_same_reference_fifty_times_is_one_transfer,
    a_reference_is_looked_at_after_the_accounts_and_before_the_balance,
    five_comparisons_bound_a_balance,
);

on_two_processes!(
    two_partial_refunds_never_exceed,
    refund_and_spend_race_for_the_same_money,
    the_same_reference_fifty_times_is_one_transfer,
);

async fn reverse(stack: &Stack, who: &User, (id, key): (&str, &str), body: Value) -> Answer {
    let path = format!("/api/v1/transfers/{id}/reverse");
    stack.client.post(who, &path, &[("idempotency-key", key)], &body).await
}

async fn paid(stack: &Stack, who: &User, (from, to): (&str, &str), amount: i64) -> String {
    let made = stack.client.transfer(who, &format!("pay-{from}-{amount}"), &pay(from, to, amount)).await.expect(201);
    made.json()["id"].as_str().unwrap().to_owned()
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

async fn two_partial_refunds_never_exceed(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.funded(&who, 1_000).await);
    let id = paid(&stack, &who, (&from, &to), 100).await;
    let keys: Vec<_> = (0..50).map(|n| format!("r-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| reverse(&stack, &who, (&id, key), json!({"amount": 30})))).await;
    assert_eq!(count(&answers, 201), 3);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "amount_exceeds_original"));
    assert_eq!((client.balance(&who, &from).await, client.balance(&who, &to).await), (90, 1_010));
    let rest = reverse(&stack, &who, (&id, "rest"), json!({})).await.expect(201).json();
    assert_eq!(
        (&rest["amount"], &rest["reversal_of"], &rest["debit_account_id"]),
        (&json!(10), &json!(id), &json!(to))
    );
    assert_eq!(reverse(&stack, &who, (&id, "more"), json!({})).await.expect(422).code(), "amount_exceeds_original");
}

async fn refund_and_spend_race_for_the_same_money(stack: Rc<Stack>) {
    let (client, who, merchant) = (&stack.client, user(), user());
    let from = client.funded(&who, 100).await;
    let (to, elsewhere) = (client.open(&merchant, "user").await, client.open(&merchant, "user").await);
    let id = paid(&stack, &who, (&from, &to), 100).await;
    let keys: Vec<_> = (0..10).map(|n| format!("{n}")).collect();
    let body = pay(&to, &elsewhere, 20);
    let spends = join_all(keys.iter().map(|key| client.transfer(&merchant, key, &body)));
    let refunds = join_all(keys.iter().map(|key| reverse(&stack, &merchant, (&id, key), json!({"amount": 20}))));
    let (spends, refunds) = join(spends, refunds).await;
    assert_eq!(count(&spends, 201) + count(&refunds, 201), 5);
    assert_eq!(client.balance(&merchant, &to).await, 0);
    let back = i64::try_from(count(&refunds, 201)).unwrap() * 20;
    assert_eq!((client.balance(&who, &from).await, client.balance(&merchant, &elsewhere).await), (back, 100 - back));
}

async fn a_refund_is_a_transfer_of_its_own(stack: Rc<Stack>) {
    let (client, who, officer) = (&stack.client, user(), treasurer());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = paid(&stack, &who, (&from, &to), 60).await;
    let body = json!({"amount": 25, "description": "Returned", "metadata": {"case": 4}});
    let first = reverse(&stack, &who, (&id, "r"), body.clone()).await.expect(201);
    let again =
        reverse(&stack, &who, (&id, "r"), json!({"metadata": {"case": 4}, "description": "Returned", "amount": 25}));
    let again = again.await.expect(201);
    assert!(again.replayed() && again.bytes == first.bytes);
    let refund = first.json();
    assert_eq!((&refund["description"], &refund["metadata"]["case"]), (&json!("Returned"), &json!(4)));
    let refund = refund["id"].as_str().unwrap();
    assert_eq!(reverse(&stack, &who, (refund, "rr"), json!({})).await.expect(409).code(), "transfer_not_posted");
    // What a closed account paid cannot come back to it; a treasurer may refund for a merchant who does not.
    reverse(&stack, &officer, (&id, "officer"), json!({"amount": 5})).await.expect(201);
    let last = client.open(&who, "user").await;
    client.transfer(&who, "empty", &pay(&from, &last, 70)).await.expect(201);
    client.raw(&who, "POST", &format!("/api/v1/accounts/{from}/close"), &[], None).await.expect(200);
    assert_eq!(reverse(&stack, &who, (&id, "late"), json!({})).await.expect(409).code(), "credit_account_closed");
    for (n, (body, code)) in [
        (json!({"description": ""}), "validation_failed"),
        (json!({"metadata": []}), "validation_failed"),
        (json!({"pending": true}), "validation_failed"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(reverse(&stack, &who, (&id, &format!("bad-{n}")), body).await.expect(422).code(), code);
    }
}

async fn the_same_reference_fifty_times_is_one_transfer(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.funded(&who, 100).await);
    let body = |from: &str, to: &str| {
        let mut body = pay(from, to, 1);
        body["external_ref"] = json!("invoice-7");
        body
    };
    // Out of two accounts of one owner.
    let bodies = [body(&from, &to), body(&to, &from)];
    let keys: Vec<_> = (0..50).map(|n| format!("k-{n}")).collect();
    let orders = keys.iter().enumerate().map(|(n, key)| client.transfer(&who, key, &bodies[n / 2 % 2]));
    let answers = join_all(orders).await;
    assert_eq!(count(&answers, 201), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "external_ref_taken"));
    // Another's is another, and two in one batch are told apart.
    let stranger = user();
    let theirs = client.funded(&stranger, 10).await;
    let items = json!({"mode": "independent", "transfers": [body(&theirs, &to), body(&theirs, &to)]});
    let batch =
        client.post(&stranger, "/api/v1/transfers/batch", &[("idempotency-key", "b")], &items).await.expect(200);
    let batch = batch.json();
    assert_eq!((&batch["results"][0]["status"], &batch["results"][1]["status"]), (&json!(201), &json!(409)));
}

async fn a_reference_is_looked_at_after_the_accounts_and_before_the_balance(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let body = |amount: i64| {
        let mut body = pay(&from, &to, amount);
        body["external_ref"] = json!("x");
        body
    };
    client.transfer(&who, "1", &body(1)).await.expect(201);
    let mut faulty = body(1_000);
    faulty["preconditions"] = json!({"debit_version": 0});
    assert_eq!(client.transfer(&who, "2", &faulty).await.expect(409).code(), "external_ref_taken");
    let dry = client.post(&who, "/api/v1/transfers?dry_run=true", &[], &faulty).await.expect(409);
    assert_eq!(dry.code(), "external_ref_taken");
    faulty["currency"] = json!("EUR");
    assert_eq!(client.transfer(&who, "3", &faulty).await.expect(422).code(), "currency_mismatch");
    // A decline takes no reference.
    let mut other = pay(&from, &to, 1_000);
    other["external_ref"] = json!("y");
    assert_eq!(client.transfer(&who, "4", &other).await.expect(422).code(), "insufficient_funds");
    other["amount"] = json!(1);
    client.transfer(&who, "5", &other).await.expect(201);
}

async fn five_comparisons_bound_a_balance(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    for (bound, holds) in [
        (json!({"gt": 89}), true),
        (json!({"gt": 90}), false),
        (json!({"eq": 90}), true),
        (json!({"eq": 91}), false),
        (json!({"lt": 91}), true),
        (json!({"lt": 90}), false),
        (json!({"gt": 0, "gte": 90, "eq": 90, "lte": 90, "lt": 100}), true),
    ] {
        let mut body = pay(&from, &to, 10);
        body["preconditions"] = json!({"debit_balance": bound});
        let answer = client.post(&who, "/api/v1/transfers?dry_run=true", &[], &body).await;
        let answer = answer.expect(if holds { 200 } else { 422 });
        assert!(holds || answer.code() == "precondition_failed", "{bound}");
        // What is pending leaves the balance as it is.
        body["pending"] = json!(true);
        body["preconditions"] = json!({"debit_balance": {"eq": 100}, "credit_balance": {"eq": 0}});
        client.post(&who, "/api/v1/transfers?dry_run=true", &[], &body).await.expect(200);
    }
    // Of the receiver too, when it posts; of a stranger's account nobody is told what it has.
    let theirs = client.funded(&user(), 100).await;
    for (to, bound, code) in [
        (&to, json!({"eq": 10}), None),
        (&to, json!({"eq": 11}), Some("precondition_failed")),
        (&theirs, json!({"eq": 110}), Some("precondition_failed")),
        (&theirs, json!({"eq": 111}), Some("precondition_failed")),
        (&theirs, json!({}), None),
    ] {
        let mut body = pay(&from, to, 10);
        body["preconditions"] = json!({"credit_balance": bound});
        let answer = client.post(&who, "/api/v1/transfers?dry_run=true", &[], &body).await;
        match code {
            None => drop(answer.expect(200)),
            Some(code) => assert_eq!(answer.expect(422).code(), code, "{bound}"),
        }
    }
    // Whoever asks the same with another bound asks another thing.
    let mut body = pay(&from, &to, 10);
    body["preconditions"] = json!({"debit_balance": {"gt": 1}});
    client.transfer(&who, "k", &body).await.expect(201);
    body["preconditions"] = json!({"debit_balance": {"gt": 2}});
    assert_eq!(client.transfer(&who, "k", &body).await.expect(422).code(), "idempotency_key_reused");
}
