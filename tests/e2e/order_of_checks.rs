//! The contract's order of checks: the first that fails is the answer, the same alone, dry and in a batch.

mod pairs;
mod settlements;
mod wishes;

use reqwest::Method;
use serde_json::{Value, json};
use tests::client::{Transfer, fresh_key};
use tests::{Backend, Client, Stack};

journeys!(
    a_frozen_account_may_be_credited,
    amounts_at_the_edges,
    only_integers_are_amounts,
    a_dry_run_changes_nothing,
    a_batch_as_single_calls,
    an_atomic_batch
);

/// Accounts in every state that a transfer may meet.
struct Scene {
    stack: Stack,
    ann: Client,
    rich: String,
    poor: String,
    euros: String,
    closed: String,
    frozen: String,
    strangers: String,
}

async fn scene(backend: Backend) -> Scene {
    let stack = Stack::start(backend).await;
    let (ann, bob) = (stack.register("ann").await, stack.register("bob").await);
    let (rich, poor) = (stack.account_with(&ann, 1_000).await, stack.account_with(&ann, 0).await);
    let (closed, frozen) = (stack.account_with(&ann, 0).await, stack.account_with(&ann, 100).await);
    let strangers = stack.account_with(&bob, 500).await;
    drop(ann.client.call(Method::POST, &format!("/api/v1/accounts/{closed}/close")).send().await.expect(200));
    let freeze = stack.treasurer().await.client.call(Method::POST, &format!("/api/v1/accounts/{frozen}/freeze"));
    drop(freeze.send().await.expect(200));
    let (euros, ann) = (ann.client.open("euros", "EUR").await, ann.client);
    Scene { stack, ann, rich, poor, euros, closed, frozen, strangers }
}

/// Bodies with what each is answered; each is wrong in everything that is checked later as well, as far as it can be.
fn cases(scene: &Scene) -> Vec<(&'static str, Value, u16, &'static str)> {
    let Scene { rich, poor, euros, closed, frozen, strangers, .. } = scene;
    let nobodys = uuid::Uuid::new_v4().to_string();
    let of = |debit: &str, credit: &str, amount: i64, currency: &str| json!({"debit_account_id": debit, "credit_account_id": credit, "amount": amount, "currency": currency});
    vec![
        ("amount before the rest", of(&nobodys, &nobodys, 0, "EUR"), 422, "amount_out_of_range"),
        ("the same account before its absence", of(&nobodys, &nobodys, 5, "EUR"), 422, "accounts_must_be_different"),
        (
            "no debit account before no credit account",
            of(&nobodys, "00000000-0000-7000-8000-000000000000", 5, "EUR"),
            404,
            "debit_account_not_found",
        ),
        ("another's debit account is none", of(strangers, &nobodys, 5, "EUR"), 404, "debit_account_not_found"),
        ("no credit account before the currency", of(closed, &nobodys, 5, "EUR"), 422, "credit_account_not_found"),
        ("currency before the states", of(closed, frozen, 5_000, "EUR"), 422, "currency_mismatch"),
        ("the credit account's currency", of(rich, euros, 5_000, "USD"), 422, "currency_mismatch"),
        ("a closed debit account before funds", of(closed, rich, 5_000, "USD"), 409, "debit_account_closed"),
        (
            "a closed credit account before a frozen debit account",
            of(frozen, closed, 5_000, "USD"),
            409,
            "credit_account_closed",
        ),
        ("a frozen debit account before funds", of(frozen, rich, 5_000, "USD"), 409, "debit_account_frozen"),
        ("funds at last", of(poor, strangers, 1, "USD"), 422, "insufficient_funds"),
    ]
}

async fn a_frozen_account_may_be_credited(backend: Backend) {
    let scene = scene(backend).await;
    drop(scene.ann.transfer(&fresh_key(), &Transfer::usd(&scene.rich, &scene.frozen, 1)).await.expect(201));
    assert_eq!((scene.ann.balance(&scene.rich).await, scene.ann.balance(&scene.frozen).await), (999, 101));
}

async fn amounts_at_the_edges(backend: Backend) {
    let scene = scene(backend).await;
    let treasurer = &scene.stack.treasurer().await.client;
    let vault = scene.stack.vault().await;
    let send = async |amount: &str| {
        let body = format!(
            r#"{{"debit_account_id":"{vault}","credit_account_id":"{}","amount":{amount},"currency":"USD"}}"#,
            scene.poor
        );
        treasurer.call(Method::POST, "/api/v1/transfers").key(&fresh_key()).body("application/json", body).send().await
    };
    for out in ["0", "-1", "-0", "9007199254740992", "9223372036854775808", "18446744073709551616", &"9".repeat(400)] {
        send(out).await.problem(422, "amount_out_of_range");
    }
    drop(send("1").await.expect(201));
    send("9007199254740991").await.problem(422, "balance_overflow");
    assert_eq!(scene.ann.balance(&scene.poor).await, 1, "the overflow changed nothing");
}

async fn only_integers_are_amounts(backend: Backend) {
    let scene = scene(backend).await;
    for bad in ["1.0", "1e2", "1E2", "\"5\"", "true", "null", "[]", "{}", "1.5", "01", "+1", "0x1", "NaN"] {
        let body = format!(
            r#"{{"debit_account_id":"{}","credit_account_id":"{}","amount":{bad},"currency":"USD"}}"#,
            scene.rich, scene.poor
        );
        let answer = scene
            .ann
            .call(Method::POST, "/api/v1/transfers")
            .key(&fresh_key())
            .body("application/json", body)
            .send()
            .await;
        assert_eq!((answer.status, answer.code().as_deref()), (400, Some("malformed_body")), "{bad}: {answer}");
    }
    assert_eq!(scene.ann.balance(&scene.rich).await, 1_000);
}

async fn a_dry_run_changes_nothing(backend: Backend) {
    let scene = scene(backend).await;
    let body =
        json!({"debit_account_id": scene.rich, "credit_account_id": scene.poor, "amount": 10, "currency": "USD"});
    let key = fresh_key();
    let dry = scene.ann.call(Method::POST, "/api/v1/transfers?dry_run=true").key(&key).json(&body).send().await;
    assert!((200..300).contains(&dry.status), "{dry}");
    assert_eq!((scene.ann.balance(&scene.rich).await, scene.ann.entries(&scene.poor).await.len()), (1_000, 0));
    let paid = scene.ann.call(Method::POST, "/api/v1/transfers").key(&key).json(&body).send().await.expect(201);
    assert_eq!(paid.header("idempotent-replayed"), None, "a dry run leaves the key free");
}

async fn a_batch_as_single_calls(backend: Backend) {
    let scene = scene(backend).await;
    let mut transfers: Vec<Value> = cases(&scene).into_iter().map(|(_, body, _, _)| body).collect();
    transfers.push(
        json!({"debit_account_id": scene.rich, "credit_account_id": scene.poor, "amount": 10, "currency": "USD"}),
    );
    let body = json!({"mode": "independent", "transfers": transfers});
    let key = fresh_key();
    let send = || scene.ann.call(Method::POST, "/api/v1/transfers/batch").key(&key).json(&body).send();
    let first = send().await.expect(200);
    let answer = first.json();
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), transfers.len());
    for ((name, _, status, code), result) in cases(&scene).into_iter().zip(results) {
        assert_eq!((&result["status"], &result["problem"]["code"]), (&json!(status), &json!(code)), "{name}: {result}");
    }
    let posted = results.last().expect("a result");
    assert_eq!((&posted["status"], &posted["transfer"]["amount"]), (&json!(201), &json!(10)), "{posted}");
    let replay = send().await.expect(200);
    assert_eq!((replay.must("idempotent-replayed"), &replay.body), ("true", &first.body));
    assert_eq!(scene.ann.balance(&scene.poor).await, 10);
}

async fn an_atomic_batch(backend: Backend) {
    let scene = scene(backend).await;
    let of = |debit: &str, credit: &str, amount: i64| json!({"debit_account_id": debit, "credit_account_id": credit, "amount": amount, "currency": "USD"});
    let send = async |transfers: Vec<Value>| {
        let body = json!({"mode": "atomic", "transfers": transfers});
        scene.ann.call(Method::POST, "/api/v1/transfers/batch").key(&fresh_key()).json(body).send().await
    };
    let declined = send(vec![of(&scene.rich, &scene.poor, 10), of(&scene.poor, &scene.rich, 11)])
        .await
        .problem(422, "batch_declined");
    let codes: Vec<_> =
        declined["results"].as_array().into_iter().flatten().map(|result| result["problem"]["code"].clone()).collect();
    assert_eq!(codes, ["linked_item_declined", "insufficient_funds"], "{declined}");
    assert_eq!(
        (scene.ann.balance(&scene.rich).await, scene.ann.balance(&scene.poor).await),
        (1_000, 0),
        "nothing posted"
    );
    drop(send(vec![of(&scene.rich, &scene.poor, 10), of(&scene.poor, &scene.rich, 10)]).await.expect(200));
    assert_eq!((scene.ann.balance(&scene.rich).await, scene.ann.balance(&scene.poor).await), (1_000, 0));
}
