//! A second start finds its data, its keys and its administrator.

use std::time::Duration;

use tests::backends::Ground;
use tests::client::Transfer;
use tests::{Backend, Client, Stack};

journeys!(a_second_start_finds_everything);

async fn a_second_start_finds_everything(backend: Backend) {
    let ground = Ground::lay(backend).await.expect("a back-end");
    let stack = Stack::builder(backend).start_on(ground).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 100).await, stack.account_with(&ann, 0).await);
    let transfer = Transfer::usd(&from, &to, 40);
    let paid = ann.client.transfer("once", &transfer).await.expect(201);
    let ground = stack.halt(Duration::from_secs(5)).await;

    let stack = Stack::builder(backend).start_on(ground).await;
    let client = stack.client().with_token(ann.client.token().expect("signed in"));
    assert_eq!(
        (client.balance(&from).await, client.balance(&to).await),
        (60, 40),
        "the token and the ledger outlive a restart"
    );
    let again = client.transfer("once", &transfer).await.expect(201);
    assert_eq!((again.must("idempotent-replayed"), &again.body), ("true", &paid.body));
    drop(stack.client().refresh_grant(&ann.refresh_token).await.expect(200));
    assert_eq!(stack.administrator().await.client.get("/api/v1/users").await.status, 200);
    let entries = Client::entries(&client, &from).await;
    assert_eq!(entries.len(), 2);
}
