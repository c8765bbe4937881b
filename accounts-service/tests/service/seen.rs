//! `If-Match` on what is done to a transfer: judged where it is decided, after whose it is and before how it stands.

use std::rc::Rc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::auth::User;
use shared::domain::Role;

use crate::client::{Answer, pay, someone, user};
use crate::holds::{act, held, hold};
use crate::stack::Stack;
use crate::{on_both, on_two_processes};

on_both!(
    void_only_if_nothing_was_posted_since,
    a_tag_is_judged_in_its_turn,
    of_many_who_have_seen_the_same_one_refunds,
    a_stale_answer_stays_under_its_key,
    a_forbidden_one_is_replayed,
);

on_two_processes!(void_only_if_nothing_was_posted_since, of_many_who_have_seen_the_same_one_refunds);

async fn ask(stack: &Stack, who: &User, (id, what, key): (&str, &str, &str), tag: &str, body: Value) -> Answer {
    let headers = [("idempotency-key", key), ("if-match", tag)];
    stack.client.post(who, &format!("/api/v1/transfers/{id}/{what}"), &headers, &body).await
}

async fn tag(stack: &Stack, who: &User, id: &str) -> String {
    let shown = stack.client.get(who, &format!("/api/v1/transfers/{id}")).await.expect(200);
    shown.header("etag").unwrap().to_owned()
}

async fn void_only_if_nothing_was_posted_since(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = held(client, &who, "h", &hold(&from, &to, 60)).await;
    let old = tag(&stack, &who, &id).await;
    ask(&stack, &who, (&id, "post", "p"), &old, json!({"amount": 20})).await.expect(201);
    assert_eq!(ask(&stack, &who, (&id, "void", "v1"), &old, json!({})).await.expect(412).code(), "stale_precondition");
    let new = tag(&stack, &who, &id).await;
    for none in ["\"nothing\"", "W/\"x\"", "", "\u{e9}"] {
        ask(&stack, &who, (&id, "void", &format!("none-{none:?}").replace('\u{e9}', "e")), none, json!({}))
            .await
            .expect(412);
    }
    ask(&stack, &who, (&id, "void", "weak"), &format!("W/{new}"), json!({})).await.expect(412);
    let list = format!("{old}, {new}");
    ask(&stack, &who, (&id, "void", "v2"), &list, json!({})).await.expect(201);
    assert_eq!(client.balance(&who, &from).await, 80);
    // As it is by now, which is posted: stale before it is settled.
    assert_eq!(ask(&stack, &who, (&id, "post", "v3"), &new, json!({})).await.expect(412).code(), "stale_precondition");
    let now = tag(&stack, &who, &id).await;
    assert_eq!(
        ask(&stack, &who, (&id, "post", "v4"), &now, json!({})).await.expect(409).code(),
        "transfer_not_pending"
    );
    ask(&stack, &who, (&id, "post", "v5"), "*", json!({})).await.expect(409);
    // What voids is a transfer, too, and nothing remains of it.
    let voids = client.get(&who, &format!("/api/v1/transfers?pending_of={id}&status=voided")).await.expect(200).json();
    let voiding = voids["data"][0]["id"].as_str().unwrap();
    let its = tag(&stack, &who, voiding).await;
    assert_eq!(
        ask(&stack, &who, (voiding, "void", "v6"), &its, json!({})).await.expect(409).code(),
        "transfer_not_pending"
    );
}

async fn a_tag_is_judged_in_its_turn(stack: Rc<Stack>) {
    let (client, who, merchant) = (&stack.client, user(), user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&merchant, "user").await);
    let id = client.transfer(&who, "p", &pay(&from, &to, 50)).await.expect(201).json();
    let id = id["id"].as_str().unwrap();
    let stale = "\"stale\"";
    for (n, (by, body, status)) in [
        (&merchant, json!({"amount": "5"}), 400),
        (&merchant, json!({"description": ""}), 422),
        (&merchant, json!({"amount": 0}), 422),
        (&user(), json!({}), 404),
        (&who, json!({}), 403),
        (&someone(&[Role::Support]), json!({}), 403),
        (&merchant, json!({"amount": 51}), 412),
        (&merchant, json!({}), 412),
    ]
    .into_iter()
    .enumerate()
    {
        ask(&stack, by, (id, "reverse", &format!("t-{n}")), stale, body.clone()).await.expect(status);
        let path = format!("/api/v1/transfers/{id}/reverse?dry_run=true");
        client.post(by, &path, &[("if-match", stale)], &body).await.expect(status);
    }
    let now = tag(&stack, &who, id).await;
    ask(&stack, &merchant, (id, "reverse", "much"), &now, json!({"amount": 51})).await.expect(422);
    let refund = ask(&stack, &merchant, (id, "reverse", "r"), &now, json!({})).await.expect(201).json();
    let refund = refund["id"].as_str().unwrap();
    let its = tag(&stack, &who, refund).await;
    ask(&stack, &who, (refund, "reverse", "rr"), stale, json!({})).await.expect(412);
    ask(&stack, &who, (refund, "reverse", "rr2"), &its, json!({})).await.expect(409);
}

async fn of_many_who_have_seen_the_same_one_refunds(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = client.transfer(&who, "p", &pay(&from, &to, 100)).await.expect(201).json();
    let id = id["id"].as_str().unwrap();
    let seen = tag(&stack, &who, id).await;
    let keys: Vec<_> = (0..20).map(|n| format!("r-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| ask(&stack, &who, (id, "reverse", key), &seen, json!({"amount": 5}))));
    let answers = answers.await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.code() == "stale_precondition"));
    assert_eq!(client.balance(&who, &from).await, 5);
}

async fn a_stale_answer_stays_under_its_key(stack: Rc<Stack>) {
    let (client, who) = (&stack.client, user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&who, "user").await);
    let id = held(client, &who, "h", &hold(&from, &to, 60)).await;
    let old = tag(&stack, &who, &id).await;
    let first = ask(&stack, &who, (&id, "post", "p"), &old, json!({"amount": 20})).await.expect(201);
    // Its own work has made the tag stale: whoever lost the answer gets it, whatever they have seen since.
    let new = tag(&stack, &who, &id).await;
    for tag in [&old, &new] {
        let again = ask(&stack, &who, (&id, "post", "p"), tag, json!({"amount": 20})).await.expect(201);
        assert!(again.replayed() && again.bytes == first.bytes);
    }
    let stale = ask(&stack, &who, (&id, "void", "v"), &old, json!({})).await.expect(412);
    let again = ask(&stack, &who, (&id, "void", "v"), &new, json!({})).await.expect(412);
    assert!(again.replayed() && again.bytes == stale.bytes);
    act(client, &who, (&id, "void", "w"), json!({})).await.expect(201);
}

async fn a_forbidden_one_is_replayed(stack: Rc<Stack>) {
    let (client, who, merchant) = (&stack.client, user(), user());
    let (from, to) = (client.funded(&who, 100).await, client.open(&merchant, "user").await);
    let id = held(client, &who, "h", &hold(&from, &to, 60)).await;
    for (what, by) in [("post", &merchant), ("reverse", &who), ("void", &someone(&[Role::Support]))] {
        let first = act(client, by, (&id, what, "k"), json!({})).await.expect(403);
        let again = act(client, by, (&id, what, "k"), json!({})).await.expect(403);
        assert!(!first.replayed() && again.replayed() && again.bytes == first.bytes, "{what}");
    }
    // A role that comes later changes nothing under the key.
    let mut later = merchant.clone();
    later.roles = [Role::User, Role::Treasurer].into_iter().collect();
    assert!(act(client, &later, (&id, "post", "k"), json!({})).await.expect(403).replayed());
    act(client, &later, (&id, "post", "other"), json!({})).await.expect(201);
}
