//! One key is one transfer, however often and however concurrently it is sent.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::client::{Transfer, fresh_key};
use tests::{Backend, Stack};

journeys!(
    a_hundred_clients_with_one_key,
    a_key_and_its_request_belong_together,
    declines_are_frozen,
    refusals_are_not_frozen,
    keys_are_the_callers_own
);

async fn a_hundred_clients_with_one_key(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 1_000).await, stack.account_with(&ann, 0).await);
    let transfer = Transfer::usd(&from, &to, 7);
    let answers = join_all((0..100).map(|_| ann.client.transfer("one", &transfer))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (201, &answers[0].body), "{answer}");
    }
    let first: Vec<_> = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_none()).collect();
    assert_eq!(first.len(), 1, "one answer is the first, all others are replays");
    assert_eq!((ann.client.balance(&from).await, ann.client.balance(&to).await), (993, 7));
    assert_eq!(ann.client.entries(&to).await.len(), 1);
}

async fn a_key_and_its_request_belong_together(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 1_000).await, stack.account_with(&ann, 0).await);
    let post = |key: &str, body: String| {
        ann.client.call(Method::POST, "/api/v1/transfers").key(key).body("application/json", body)
    };

    let ordered = format!(r#"{{"debit_account_id":"{from}","credit_account_id":"{to}","amount":5,"currency":"USD"}}"#);
    let reordered = format!(
        "{{ \"currency\" : \"USD\",\n\"amount\":5, \"credit_account_id\":\"{to}\",\"debit_account_id\":\"{from}\"}}"
    );
    let first = post("order", ordered.clone()).send().await.expect(201);
    for (key, body) in [("order", reordered), ("\"order\"", ordered)] {
        let replay = post(key, body).send().await.expect(201);
        assert_eq!((replay.must("idempotent-replayed"), &replay.body), ("true", &first.body));
    }
    ann.client.transfer("order", &Transfer::usd(&from, &to, 6)).await.problem(422, "idempotency_key_reused");
    ann.client.post("/api/v1/transfers", Transfer::usd(&from, &to, 5)).await.problem(400, "idempotency_key_required");
    for bad in ["a b", "\"open", &"x".repeat(256)] {
        ann.client.transfer(bad, &Transfer::usd(&from, &to, 5)).await.problem(400, "idempotency_key_invalid");
    }
    assert!(ann.client.transfer(&"x".repeat(255), &Transfer::usd(&from, &to, 5)).await.status == 201);
    assert_eq!(ann.client.balance(&to).await, 10);

    let open = || {
        ann.client
            .call(Method::POST, "/api/v1/accounts")
            .key("opened")
            .json(json!({"name": "third", "currency": "USD"}))
            .send()
    };
    let (opened, replayed) = (open().await.expect(201), open().await.expect(201));
    assert_eq!((opened.body, replayed.must("idempotent-replayed")), (replayed.body.clone(), "true"));
}

async fn declines_are_frozen(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 0).await, stack.account_with(&ann, 0).await);
    let transfer = Transfer::usd(&from, &to, 50);
    let declined = ann.client.transfer("poor", &transfer).await;
    declined.problem(422, "insufficient_funds");
    stack.fund(&from, 100).await;
    let replay = ann.client.transfer("poor", &transfer).await;
    replay.problem(422, "insufficient_funds");
    assert_eq!((replay.must("idempotent-replayed"), &replay.body), ("true", &declined.body));
    drop(ann.client.transfer("rich", &transfer).await.expect(201));
    let nowhere = Transfer::usd(&uuid::Uuid::new_v4().to_string(), &to, 1);
    for replayed in [None, Some("true")] {
        let answer = ann.client.transfer("nowhere", &nowhere).await;
        answer.problem(404, "debit_account_not_found");
        assert_eq!(answer.header("idempotent-replayed"), replayed);
    }
}

async fn refusals_are_not_frozen(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 100).await, stack.account_with(&ann, 0).await);
    let send =
        |body: serde_json::Value| ann.client.call(Method::POST, "/api/v1/transfers").key("mended").json(body).send();
    let body = |amount: serde_json::Value| json!({"debit_account_id": from, "credit_account_id": to, "amount": amount, "currency": "USD"});
    send(body(json!(1.5))).await.problem(400, "malformed_body");
    send(body(json!(0))).await.problem(422, "amount_out_of_range");
    send(json!({"debit_account_id": from, "amount": 5})).await.problem(422, "validation_failed");
    let same = Transfer::usd(&from, &from, 5);
    ann.client.transfer("mended", &same).await.problem(422, "accounts_must_be_different");
    stack.client().transfer("mended", &same).await.problem(401, "token_required");
    let mended = send(body(json!(5))).await.expect(201);
    assert_eq!(mended.header("idempotent-replayed"), None, "the key was still free");
}

async fn keys_are_the_callers_own(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, bob) = (stack.register("ann").await, stack.register("bob").await);
    let (anns, bobs) = (stack.account_with(&ann, 100).await, stack.account_with(&bob, 100).await);
    let key = fresh_key();
    let (hers, his) = (
        ann.client.transfer(&key, &Transfer::usd(&anns, &bobs, 1)).await.expect(201),
        bob.client.transfer(&key, &Transfer::usd(&bobs, &anns, 1)).await.expect(201),
    );
    assert_ne!(hers.text("/id"), his.text("/id"));
    assert_eq!(his.header("idempotent-replayed"), None);
}
