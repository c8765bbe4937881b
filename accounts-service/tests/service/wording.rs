//! Labels and names: the owner's own words, by which accounts are found.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::client::{Answer, user};
use crate::on_both;
use crate::stack::Stack;
use shared::auth::User;

on_both!(
    labels_are_patched_and_found,
    a_name_is_found_by_a_part_of_it,
    letters_beyond_ascii_are_found_as_they_are_written,
    a_currency_that_there_is_not_is_refused,
);

async fn patch(stack: &Stack, who: &User, account: &str, body: Value) -> Answer {
    stack.client.raw(who, "PATCH", &format!("/api/v1/accounts/{account}"), &[], Some(body.to_string())).await
}

/// The ids of the accounts that a query finds, in both versions.
async fn found(stack: &Stack, who: &User, query: &str) -> Vec<String> {
    let mut ids = Vec::new();
    for version in ["v1", "v2"] {
        let listed = stack.client.get(who, &format!("/api/{version}/accounts?{query}")).await.expect(200).json();
        let listed = listed["data"].as_array().unwrap().iter();
        let mut listed: Vec<_> = listed.map(|account| account["id"].as_str().unwrap().to_owned()).collect();
        listed.sort_unstable();
        assert!(ids.is_empty() || ids == listed, "{query}");
        ids = listed;
    }
    ids
}

async fn labels_are_patched_and_found(stack: Rc<Stack>) {
    let who = user();
    let (one, other) = (stack.client.open(&who, "user").await, stack.client.open(&who, "user").await);
    let set = patch(&stack, &who, &one, json!({"labels": {"shop": "Lisbon", "a.b": "ä:ö"}})).await.expect(200).json();
    assert_eq!(set["labels"], json!({"a.b": "ä:ö", "shop": "Lisbon"}));
    patch(&stack, &who, &other, json!({"labels": {"shop": "Porto"}})).await.expect(200);
    assert_eq!(found(&stack, &who, "label=shop:Lisbon").await, std::slice::from_ref(&one));
    assert_eq!(found(&stack, &who, "label=a.b:%C3%A4:%C3%B6").await, std::slice::from_ref(&one));
    assert!(found(&stack, &user(), "label=shop:Lisbon").await.is_empty());
    let version = patch(&stack, &who, &one, json!({"labels": {}})).await.expect(200).json()["version"].clone();
    assert_eq!(version, set["version"], "nothing was asked for");
    let changed = patch(&stack, &who, &one, json!({"labels": {"shop": null, "x": "1"}})).await.expect(200).json();
    assert_eq!(changed["labels"], json!({"a.b": "ä:ö", "x": "1"}));
    assert!(found(&stack, &who, "label=shop:Lisbon").await.is_empty());
    let cleared = patch(&stack, &who, &one, json!({"labels": null})).await.expect(200).json();
    assert_eq!(cleared["labels"], json!({}));
    patch(&stack, &user(), &one, json!({"labels": {}})).await.expect(404);
    let many: serde_json::Map<_, _> = (0..17).map(|n| (format!("n{n}"), json!("v"))).collect();
    for bad in [json!({"labels": many}), json!({"labels": {"A": "x"}}), json!({"labels": {"a": ""}})] {
        patch(&stack, &who, &one, bad).await.expect(422);
    }
    for bad in [json!({"labels": []}), json!({"labels": {"a": 1}})] {
        patch(&stack, &who, &one, bad).await.expect(400);
    }
    stack.client.get(&who, "/api/v1/accounts?label=shop").await.expect(422);
}

async fn a_name_is_found_by_a_part_of_it(stack: Rc<Stack>) {
    let who = user();
    let open = async |name: &str| {
        let body = json!({"name": name, "currency": "USD"});
        let opened = stack.client.post(&who, "/api/v1/accounts", &[], &body).await.expect(201).json();
        opened["id"].as_str().unwrap().to_owned()
    };
    let (everyday, percent) = (open("Everyday 1_2").await, open("100% \\ savings").await);
    assert_eq!(found(&stack, &who, "q=everyDAY").await, std::slice::from_ref(&everyday));
    assert_eq!(found(&stack, &who, "q=1_2").await, [everyday]);
    assert_eq!(found(&stack, &who, "q=0%25").await, std::slice::from_ref(&percent));
    assert_eq!(found(&stack, &who, "q=%5C").await, [percent]);
    assert!(found(&stack, &who, "q=1%252").await.is_empty());
    stack.client.get(&who, "/api/v1/accounts?q=").await.expect(422);
}

async fn letters_beyond_ascii_are_found_as_they_are_written(stack: Rc<Stack>) {
    let who = user();
    let body = json!({"name": "Ärger und ÖL", "currency": "USD"});
    let opened = stack.client.post(&who, "/api/v1/accounts", &[], &body).await.expect(201).json();
    let id = opened["id"].as_str().unwrap().to_owned();
    // As every database folds them, which is not at all.
    for (q, there) in
        [("%C3%84RGER", true), ("%C3%84rger%20UND", true), ("%C3%A4rger", false), ("%C3%96l", true), ("%C3%B6l", false)]
    {
        let found = found(&stack, &who, &format!("q={q}")).await;
        assert_eq!(found, if there { vec![id.clone()] } else { Vec::new() }, "{q}");
    }
}

async fn a_currency_that_there_is_not_is_refused(stack: Rc<Stack>) {
    let who = user();
    stack.client.open(&who, "user").await;
    for list in ["/api/v1/accounts?currency=", "/api/v2/accounts?currency=", "/api/v1/exchange-rates?base="] {
        stack.client.get(&who, &format!("{list}USD")).await.expect(200);
        for none in ["usd", "XXY", "US", ""] {
            let refused = stack.client.get(&who, &format!("{list}{none}")).await.expect(422).json();
            assert_eq!(refused["errors"][0]["code"], "currency", "{list}{none}");
        }
    }
}
