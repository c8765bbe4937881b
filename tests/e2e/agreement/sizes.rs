//! A body may be as large as the document says: the routes promise what the services take, to the byte.

use serde_json::{Value, json};
use tests::{Backend, Stack};

use super::cases::Case;
use super::{World, document};

journeys!(a_body_may_be_as_large_as_the_document_says, eight_thousand_ordinary_transfers_fit_into_a_batch);

/// What is no JSON and no form is its service's own to bound: an image.
fn kind(operation: &Value) -> Option<&'static str> {
    let Some(content) = operation["requestBody"]["content"].as_object() else { return Some("application/json") };
    ["application/json", "application/x-www-form-urlencoded"].into_iter().find(|kind| content.contains_key(*kind))
}

/// A body of so many bytes, which nobody can mean.
fn padded(kind: &str, bytes: usize) -> Vec<u8> {
    let (before, after) = if kind == "application/json" { ("{\"x\": \"", "\"}") } else { ("x=", "") };
    let padding = "y".repeat(bytes - before.len() - after.len());
    format!("{before}{padding}{after}").into_bytes()
}

async fn a_body_may_be_as_large_as_the_document_says(backend: Backend) {
    let world = World::start(backend, "refuse").await;
    let document = document(&world.stack).await;
    let (mut asked, mut unread) = (0, std::collections::BTreeSet::new());
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            let Some(kind) = kind(operation).filter(|_| ["post", "put", "patch"].contains(&method.as_str())) else {
                continue;
            };
            let most = operation["x-max-body-bytes"].as_u64().expect("a bound");
            let most = usize::try_from(most).expect("small");
            let id = if path.contains("/accounts/") { "{account}" } else { "{victim}" };
            let filled = path
                .replace("{id}", id)
                .replace("{name}", "nosuchrole")
                .replace("{sid}", "{victim}")
                .replace("{key}", "{victim}");
            for (bytes, fits) in [(most, true), (most + 1, false)] {
                let case = Case {
                    method: method.to_ascii_uppercase().parse().expect("a method"),
                    template: path.clone(),
                    path: filled.clone(),
                    headers: vec![
                        ("content-type", kind.to_owned()),
                        ("idempotency-key", uuid::Uuid::new_v4().to_string()),
                    ],
                    body: Some(padded(kind, bytes)),
                };
                let (direct, through) = (world.directly(&case).await, world.through(&case).await);
                assert_eq!(through.status != 413, fits, "{method} {path} of {bytes} at the gateway: {through}");
                if (direct.status != 413) != fits {
                    assert!(!fits, "{method} {path} of {bytes} at the service: {direct}");
                    unread.insert(path.clone());
                }
                asked += 1;
            }
        }
    }
    assert!(asked > 60, "{asked}");
    // OpenID Connect has it answer a POST as a GET: whatever comes with it is not read, and so not too large.
    let known = ["/api/v1/auth/userinfo", "/api/v2/auth/userinfo"].map(str::to_owned);
    assert!(unread.is_subset(&known.into()), "bodies that are taken and not read: {unread:?}");
}

async fn eight_thousand_ordinary_transfers_fit_into_a_batch(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 8_000).await, stack.account_with(&ann, 0).await);
    let item = |n: usize| {
        json!({
            "debit_account_id": from, "credit_account_id": to, "amount": 1, "currency": "USD",
            "description": format!("Salary of November 2026, employee {n:05}, paid on the last day"),
            "external_ref": format!("payroll-2026-11-{n:05}"), "metadata": {"cost_center": 4711, "batch": "2026-11"},
        })
    };
    let body = json!({"mode": "atomic", "transfers": (0..8_000).map(item).collect::<Vec<_>>()});
    let path = "/api/v1/transfers/batch";
    let answer = ann.client.call(reqwest::Method::POST, path).key("payroll").json(&body).send().await.expect(200);
    assert_eq!(answer.json()["results"].as_array().map(Vec::len), Some(8_000));
    assert_eq!(ann.client.balance(&to).await, 8_000);
}
