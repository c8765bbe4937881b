//! Somebody with money goes for good: what was known of them is gone, and the ledger keeps its books.

use std::time::Duration;

use serde_json::{Value, json};
use tests::client::{Person, Transfer, fresh_key};
use tests::stack::Service;
use tests::{Backend, Stack, wait_until};

journeys!(a_purged_owner_leaves_a_whole_ledger);

/// Longer than a sweep takes on a machine that does something else.
const SOON: Duration = Duration::from_secs(30);

/// What the books say of both sides of a transfer.
async fn books(reader: &Person, transfer: &str, accounts: [&str; 2]) -> Vec<Value> {
    let mut books = vec![reader.client.get(&format!("/api/v1/transfers/{transfer}")).await.expect(200).json()];
    for account in accounts {
        books.push(reader.client.get(&format!("/api/v1/accounts/{account}")).await.expect(200).json());
        books.extend(reader.client.entries(account).await);
    }
    books
}

async fn a_purged_owner_leaves_a_whole_ledger(backend: Backend) {
    let builder = Stack::builder(backend).set(Service::Users, "retention.deleted_users", "1s");
    let stack = builder.set(Service::Users, "retention.sweep_every", "1s").start().await;
    let (ann, bob) = (stack.register("ann").await, stack.register("bob").await);
    let (hers, his) = (stack.account_with(&ann, 100).await, stack.account_with(&bob, 0).await);
    let paid = ann.client.transfer(&fresh_key(), &Transfer::usd(&hers, &his, 40)).await.expect(201).text("/id");
    let (root, treasurer) = (stack.administrator().await, stack.treasurer().await);
    let before = books(treasurer, &paid, [&hers, &his]).await;
    let her_path = format!("/api/v1/users/{}", ann.id);
    assert_eq!(root.client.get(&her_path).await.expect(200).text("/email"), ann.email);

    drop(ann.client.delete("/api/v1/users/me").await.expect(204));
    wait_until("she is purged", SOON, async || (root.client.get(&her_path).await.status == 404).then_some(())).await;

    // The books are as they were, to the last id: accounts, owner, transfer, entries and balances.
    assert_eq!(books(treasurer, &paid, [&hers, &his]).await, before);
    let owner = before.iter().any(|row| row.to_string().contains(&ann.id));
    assert!(owner, "the account names its owner by an id that nobody else gets");
    assert_eq!(bob.client.balance(&his).await, 40);
    // And go on: what is hers can still be paid into, and nobody but staff sees it.
    drop(bob.client.transfer(&fresh_key(), &Transfer::usd(&his, &hers, 15)).await.expect(201));
    assert_eq!((treasurer.client.balance(&hers).await, bob.client.balance(&his).await), (75, 25));
    bob.client.get(&format!("/api/v1/accounts/{hers}")).await.problem(404, "not_found");

    // Nothing says any more who she was.
    for path in ["/api/v1/users?limit=100", "/api/v2/users?limit=100"] {
        let list = root.client.get(path).await.expect(200).json().to_string();
        assert!(!list.contains(&ann.id) && !list.contains(&ann.email), "{list}");
    }
    let events = root.client.get(&format!("/api/v1/audit/events?user={}", ann.id)).await.expect(200).json();
    assert!(events["data"].as_array().is_some_and(|events| !events.is_empty()), "what happened stays on record");
    assert!(!events.to_string().contains(&ann.email) && !events.to_string().contains(&ann.username), "{events}");
    for path in ["/api/v1/users/me", &format!("/api/v1/accounts/{hers}"), "/api/v1/transfers"] {
        ann.client.get(path).await.problem(401, "token_invalid");
    }
    stack.client().password_grant(&ann.email, &ann.password).await.problem(400, "invalid_grant");
    stack.client().refresh_grant(&ann.refresh_token).await.problem(400, "invalid_grant");

    // Her address and her name are free, and whoever has them next is somebody else.
    let body = json!({"email": ann.email, "username": ann.username, "password": ann.password});
    let id = stack.client().post("/api/v1/users", body).await.expect(201).text("/id");
    let next = stack.client().sign_in(&ann.email, &ann.username, &ann.password, id).await;
    assert_ne!(next.id, ann.id);
    next.client.get(&format!("/api/v1/accounts/{hers}")).await.problem(404, "not_found");
    next.client.get(&format!("/api/v1/transfers/{paid}")).await.problem(404, "not_found");
    let theirs = next.client.get("/api/v1/accounts").await.expect(200).json();
    assert_eq!(theirs["data"], json!([]), "nothing of hers is theirs");
}
