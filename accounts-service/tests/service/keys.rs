//! Idempotency: one key, one transfer, the same bytes for ever.

use std::rc::Rc;

use futures_util::future::join_all;
use serde_json::json;

use crate::client::{pay, treasurer, user};
use crate::stack::Stack;
use crate::{on_both, on_two_processes};

on_both!(
    hundred_clients_with_one_key_make_one_transfer,
    replays_are_the_same_bytes_even_from_another_instance,
    declines_are_frozen_and_earlier_refusals_are_not,
    a_key_of_another_request_is_refused,
    a_batch_written_anew_is_the_same_request,
    what_is_made_has_the_tag_that_it_is_shown_with,
    a_client_that_goes_away_changes_nothing,
    other_posts_take_keys_too,
);

on_two_processes!(
    hundred_clients_with_one_key_make_one_transfer,
    declines_are_frozen_and_earlier_refusals_are_not,
    a_key_of_another_request_is_refused,
    what_is_made_has_the_tag_that_it_is_shown_with,
    a_client_that_goes_away_changes_nothing,
    other_posts_take_keys_too,
);

async fn hundred_clients_with_one_key_make_one_transfer(stack: Rc<Stack>) {
    let (payer, payee) = (user(), user());
    let from = stack.client.funded(&payer, 1_000).await;
    let to = stack.client.open(&payee, "user").await;
    let body = pay(&from, &to, 10);
    let answers = join_all((0..100).map(|_| stack.client.transfer(&payer, "one", &body))).await;
    let first = &answers[0];
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.bytes == first.bytes));
    assert_eq!(answers.iter().filter(|answer| !answer.replayed()).count(), 1);
    assert_eq!(stack.client.balance(&payee, &to).await, 10);
}

async fn replays_are_the_same_bytes_even_from_another_instance(stack: Rc<Stack>) {
    let payer = user();
    let from = stack.client.funded(&payer, 1_000).await;
    let to = stack.client.open(&user(), "user").await;
    let mut full = pay(&from, &to, 7);
    full["description"] = json!("für \"Öl\" \\ 💶");
    full["external_ref"] = json!("inv-1");
    full["metadata"] = json!({"n": 12345678901234567890123_f64, "nested": {"a": [1, null, true]}});
    let poor = pay(&from, &to, 1_000_000);
    let batch = json!({"mode": "independent", "transfers": [pay(&from, &to, 1), poor.clone(), {"amount": 1}]});
    let other = Stack::start(stack.url.clone()).await;
    for (path, key, body) in
        [("/transfers", "full", &full), ("/transfers", "poor", &poor), ("/transfers/batch", "b", &batch)]
    {
        let (path, key) = (format!("/api/v1{path}"), [("idempotency-key", key)]);
        let first = stack.client.post(&payer, &path, &key, body).await;
        assert!(!first.replayed());
        for replay in
            [stack.client.post(&payer, &path, &key, body).await, other.client.post(&payer, &path, &key, body).await]
        {
            assert!(replay.replayed(), "{path}");
            assert_eq!((replay.status, &replay.bytes), (first.status, &first.bytes));
            for name in ["location", "etag", "content-type", "cache-control"] {
                assert_eq!(replay.header(name), first.header(name), "{path} {name}");
            }
        }
    }
    other.stop().await;
}

async fn declines_are_frozen_and_earlier_refusals_are_not(stack: Rc<Stack>) {
    let (payer, officer) = (user(), treasurer());
    let bank = stack.client.open(&officer, "system").await;
    let (from, to) = (stack.client.open(&payer, "user").await, stack.client.open(&payer, "user").await);
    let declined = stack.client.transfer(&payer, "k", &pay(&from, &to, 5)).await.expect(422);
    assert_eq!(declined.code(), "insufficient_funds");
    stack.client.transfer(&officer, "fund", &pay(&bank, &from, 5)).await.expect(201);
    let again = stack.client.transfer(&payer, "k", &pay(&from, &to, 5)).await.expect(422);
    assert!(again.replayed() && again.bytes == declined.bytes);

    let refused = stack.client.transfer(&payer, "m", &pay(&from, &to, 0)).await.expect(422);
    assert_eq!(refused.code(), "amount_out_of_range");
    assert_eq!(stack.client.transfer(&payer, "m", &pay(&from, &from, 1)).await.code(), "accounts_must_be_different");
    stack.client.transfer(&payer, "m", &pay(&from, &to, 5)).await.expect(201);
    assert_eq!(stack.client.transfer(&payer, "m", &pay(&from, &to, 0)).await.code(), "idempotency_key_reused");
}

async fn a_key_of_another_request_is_refused(stack: Rc<Stack>) {
    let (payer, other) = (user(), user());
    let from = stack.client.funded(&payer, 100).await;
    let to = stack.client.funded(&other, 100).await;
    stack.client.transfer(&payer, "k", &pay(&from, &to, 1)).await.expect(201);
    assert_eq!(stack.client.transfer(&payer, "k", &pay(&from, &to, 2)).await.code(), "idempotency_key_reused");
    assert_eq!(stack.client.transfer(&payer, "\"k\"", &pay(&from, &to, 2)).await.code(), "idempotency_key_reused");
    // Another caller's key, and the other route's, are other keys.
    stack.client.transfer(&other, "k", &pay(&to, &from, 2)).await.expect(201);
    let batch = json!({"mode": "atomic", "transfers": [pay(&from, &to, 1)]});
    stack.client.post(&payer, "/api/v1/transfers/batch", &[("idempotency-key", "k")], &batch).await.expect(200);
    // Reordered JSON is the same request, and the next version pays no second time.
    let reordered =
        format!(r#"{{"currency":"USD", "amount": 1, "credit_account_id":"{to}","debit_account_id":"{from}"}}"#);
    let key = [("idempotency-key", "k")];
    let replay = stack.client.raw(&payer, "POST", "/api/v2/transfers", &key, Some(reordered)).await.expect(201);
    assert!(replay.replayed());
    assert_eq!(stack.client.balance(&payer, &from).await, 100);
}

async fn a_batch_written_anew_is_the_same_request(stack: Rc<Stack>) {
    let payer = user();
    let from = stack.client.funded(&payer, 100).await;
    let to = stack.client.open(&user(), "user").await;
    let ask = async |body: String| {
        let key = [("idempotency-key", "b")];
        stack.client.raw(&payer, "POST", "/api/v1/transfers/batch", &key, Some(body)).await
    };
    // The second is no transfer, and what became of the first is told again all the same.
    let good = format!(r#"{{"debit_account_id":"{from}","credit_account_id":"{to}","amount":5,"currency":"USD"}}"#);
    let body = |second: &str| format!(r#"{{"mode":"independent","transfers":[{good},{second}]}}"#);
    let first = ask(body(r#"{"amount":5,"to":"ann"}"#)).await.expect(200);
    assert!(!first.replayed());
    let anew = format!(
        r#"{{"transfers":[{{"currency":"USD","amount": 5,"credit_account_id":"{to}","debit_account_id":"{from}"}},
            {{ "to": "ann", "amount": 5 }}], "mode":"independent"}}"#
    );
    let again = ask(anew).await.expect(200);
    assert!(again.replayed() && again.bytes == first.bytes);
    for other in [r#"{"amount":5,"to":"bob"}"#, r#"{"amount":6,"to":"ann"}"#, "5", r#"{"amount":1e400,"to":"ann"}"#] {
        assert_eq!(ask(body(other)).await.expect(422).code(), "idempotency_key_reused", "{other}");
    }
    assert_eq!(stack.client.balance(&payer, &from).await, 95);
}

async fn a_client_that_goes_away_changes_nothing(stack: Rc<Stack>) {
    let payer = user();
    let from = stack.client.funded(&payer, 1_000).await;
    let to = stack.client.open(&payer, "user").await;
    let body = pay(&from, &to, 1);
    for n in 0..40 {
        let (key, micros) = (format!("gone-{n}"), 200 * n);
        let sent = stack.client.transfer(&payer, &key, &body);
        drop(tokio::time::timeout(std::time::Duration::from_micros(micros), sent).await);
    }
    // Whatever was cut off is either there, once, or was never taken; the key makes it be there once.
    let keys: Vec<_> = (0..40).map(|n| format!("gone-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| stack.client.transfer(&payer, key, &body))).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(stack.client.balance(&payer, &to).await, 40);
}

async fn other_posts_take_keys_too(stack: Rc<Stack>) {
    let who = user();
    let open = json!({"name": "Savings", "currency": "EUR"});
    let key = [("idempotency-key", "open-1")];
    let answers = join_all((0..20).map(|_| stack.client.post(&who, "/api/v1/accounts", &key, &open))).await;
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.bytes == answers[0].bytes));
    assert_eq!(answers.iter().filter(|answer| !answer.replayed()).count(), 1);
    for name in ["location", "etag"] {
        assert!(answers.iter().all(|answer| answer.header(name).is_some_and(|it| Some(it) == answers[0].header(name))));
    }
    let renamed = json!({"name": "Other", "currency": "EUR"});
    let reused = stack.client.post(&who, "/api/v1/accounts", &key, &renamed).await.expect(422);
    assert_eq!(reused.code(), "idempotency_key_reused");
    let listed = stack.client.get(&who, "/api/v1/accounts").await.expect(200);
    assert_eq!(listed.json()["meta"]["total"], 1);
}

async fn what_is_made_has_the_tag_that_it_is_shown_with(stack: Rc<Stack>) {
    let payer = user();
    let from = stack.client.funded(&payer, 10).await;
    let to = stack.client.open(&payer, "user").await;
    let open = json!({"name": "Savings", "currency": "EUR"});
    for (path, body) in [("/api/v1/transfers", pay(&from, &to, 1)), ("/api/v2/accounts", open)] {
        for _replayed in [false, true] {
            let made = stack.client.post(&payer, path, &[("idempotency-key", "k")], &body).await.expect(201);
            let shown = stack.client.get(&payer, made.header("location").unwrap()).await.expect(200);
            assert!(made.header("etag").is_some() && made.header("etag") == shown.header("etag"), "{path}");
        }
    }
}
