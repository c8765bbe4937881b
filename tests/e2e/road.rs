//! The whole road once: register, sign in, open, fund, pay, retry the payment, read the entries.

use serde_json::json;
use tests::client::{PASSWORD, Transfer, newcomer, text};
use tests::{Backend, Stack};

journeys!(a_newcomer_moves_money, visitors_see_what_is_theirs, money_is_conserved_from_the_first_cent);

async fn a_newcomer_moves_money(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();

    let body = newcomer("ann");
    let registered = visitor.post("/api/v1/users", &body).await.expect(201);
    let id = registered.text("/id");
    assert_eq!(registered.must("location"), format!("/api/v1/users/{id}"));
    assert_eq!(
        registered.json(),
        json!({"id": id, "email": body["email"], "username": body["username"], "name": null})
    );

    let ann = visitor.sign_in(text(&body, "/email"), text(&body, "/username"), PASSWORD, id).await;
    let bob = stack.register("bob").await;
    let (from, to) = (ann.client.open("spending", "USD").await, bob.client.open("savings", "USD").await);
    stack.fund(&from, 10_000).await;

    let payment = Transfer::usd(&from, &to, 2_550).reference("rent-2026-11");
    let paid = ann.client.transfer("rent", &payment).await.expect(201);
    assert_eq!(paid.text("/status"), "posted");
    assert_eq!(paid.must("location"), format!("/api/v1/transfers/{}", paid.text("/id")));
    assert_eq!(paid.header("idempotent-replayed"), None);

    let again = ann.client.transfer("rent", &payment).await.expect(201);
    assert_eq!(again.body, paid.body, "a retry is answered byte for byte");
    assert_eq!(again.must("idempotent-replayed"), "true");
    assert_eq!((ann.client.balance(&from).await, bob.client.balance(&to).await), (7_450, 2_550));

    let entries = ann.client.entries(&from).await;
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| (entry["seq"].as_i64(), entry["amount"].as_i64(), entry["balance_after"].as_i64()))
        .collect();
    assert_eq!(shown, [(Some(1), Some(10_000), Some(10_000)), (Some(2), Some(-2_550), Some(7_450))]);
    assert_eq!(entries[1]["transfer_id"], paid.json()["id"]);
    for reader in [&ann, &bob] {
        let read = reader.client.get(&format!("/api/v1/transfers/{}", paid.text("/id"))).await.expect(200);
        assert_eq!(read.json(), paid.json(), "both sides read the transfer");
    }
    stack.stop(std::time::Duration::from_secs(5)).await;
}

async fn visitors_see_what_is_theirs(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, eve) = (stack.register("ann").await, stack.register("eve").await);
    let account = stack.account_with(&ann, 500).await;
    let other = eve.client.open("mine", "USD").await;
    let paid = ann.client.transfer("k", &Transfer::usd(&account, &other, 5)).await.expect(201).text("/id");
    let third = stack.register("third").await;

    for path in [
        format!("/api/v1/accounts/{account}"),
        format!("/api/v1/accounts/{account}/entries"),
        format!("/api/v1/users/{}", ann.id),
    ] {
        eve.client.get(&path).await.problem(404, "not_found");
        stack.client().get(&path).await.problem(401, "token_required");
    }
    third.client.get(&format!("/api/v1/transfers/{paid}")).await.problem(404, "not_found");
    let unknown = uuid::Uuid::new_v4();
    let (theirs, nobodys) = (
        eve.client.get(&format!("/api/v1/users/{}", ann.id)).await.problem(404, "not_found"),
        eve.client.get(&format!("/api/v1/users/{unknown}")).await.problem(404, "not_found"),
    );
    assert_eq!(theirs["detail"], nobodys["detail"], "another's id and nobody's look the same");
    let own = eve.client.get("/api/v1/accounts").await.expect(200).json();
    assert_eq!(own["data"].as_array().map(Vec::len), Some(1), "{own}");
    let all = stack.treasurer().await.client.get("/api/v1/accounts?scope=all").await.expect(200).json();
    assert!(all["meta"]["total"].as_i64() >= Some(3), "{all}");
    eve.client.get("/api/v1/accounts?scope=all").await.problem(403, "forbidden");
}

async fn money_is_conserved_from_the_first_cent(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (first, second) = (stack.account_with(&ann, 900).await, stack.account_with(&ann, 100).await);
    assert!(ann.client.transfer("k", &Transfer::usd(&first, &second, 333)).await.status == 201);
    let vault = stack.treasurer().await.client.balance(stack.vault().await).await;
    assert_eq!(vault, -1_000, "what the vault owes is what all others hold");
    assert_eq!(ann.client.balance(&first).await + ann.client.balance(&second).await + vault, 0);
    ann.client
        .post("/api/v1/accounts", json!({"name": "mint", "currency": "USD", "kind": "system"}))
        .await
        .problem(403, "forbidden");
}
