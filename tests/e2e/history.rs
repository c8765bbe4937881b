//! What was: balances at an instant and the change feed, through the gateway.

use serde_json::json;
use tests::client::{Transfer, fresh_key};
use tests::{Backend, Stack};

journeys!(the_past_stays_as_it_was);

async fn the_past_stays_as_it_was(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, ben) = (stack.register("ann").await, stack.register("ben").await);
    let (from, to) = (ann.client.open("a", "USD").await, ben.client.open("b", "USD").await);
    stack.fund(&from, 1_000).await;
    let start = ben.client.get("/api/v1/events?cursor=end").await.expect(200).json();
    let paid = ann.client.transfer(&fresh_key(), &Transfer::usd(&from, &to, 10)).await.expect(201).json();
    let at = paid["posted_at"].as_str().expect("an instant");
    let then = format!("/api/v2/accounts/{from}/balance?at={at}");
    let was = ann.client.get(&then).await.expect(200).json();
    assert_eq!((&was["balance"], &was["seq"], &was["exponent"]), (&json!(990), &json!(2), &json!(2)));
    drop(ann.client.transfer(&fresh_key(), &Transfer::usd(&from, &to, 20)).await.expect(201));
    assert_eq!(ann.client.get(&then).await.expect(200).json(), was);
    ben.client.get(&then).await.problem(404, "not_found");
    ann.client
        .get(&format!("/api/v1/accounts/{from}/balance?at=2200-01-01T00:00:00Z"))
        .await
        .problem(422, "validation_failed");

    let cursor = start["page"]["next_cursor"].as_str().expect("a place");
    let heard =
        ben.client.get(&format!("/api/v1/events?types=transfer.posted&cursor={cursor}")).await.expect(200).json();
    let amounts: Vec<_> =
        heard["data"].as_array().expect("events").iter().map(|event| &event["data"]["amount"]).collect();
    assert_eq!(amounts, [&json!(10), &json!(20)]);
    assert_eq!(heard["data"][0]["data"], paid);
    ben.client.get("/api/v1/events?scope=all").await.problem(403, "forbidden");
}
