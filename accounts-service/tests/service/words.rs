//! What a client is told of a fault, in words of the API and not of the program.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::client::{pay, user};
use crate::on_both;
use crate::stack::Stack;

on_both!(faults_are_told_in_plain_words);

/// Words of Rust, of serde and of its UUIDs.
const INSIDE: [&str; 14] = [
    "expected",
    "found",
    "`",
    "i64",
    "u8",
    "struct",
    "enum",
    "variant",
    "group",
    "serde",
    "deserialize",
    "RawValue",
    "map",
    "unit",
];

/// Queries with a fault each.
const QUERIES: [&str; 6] = [
    "/api/v1/transfers?account_id=zz",
    "/api/v1/transfers?from=yesterday",
    "/api/v1/accounts?page=x",
    "/api/v1/accounts?kind=bank",
    "/api/v2/accounts?limit=0",
    "/api/v1/transfers?sort_order=up",
];

async fn faults_are_told_in_plain_words(stack: Rc<Stack>) {
    let who = user();
    let id = stack.client.open(&who, "user").await;
    let transfer = |member: &str, value: Value| {
        let mut body = pay(&id, "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11", 1);
        body[member] = value;
        ("POST", "/api/v1/transfers".to_owned(), body)
    };
    let account = |body: Value| ("POST", "/api/v1/accounts".to_owned(), body);
    let patch = |body: Value| ("PATCH", format!("/api/v1/accounts/{id}"), body);
    let batch = |body: Value| ("POST", "/api/v1/transfers/batch".to_owned(), body);
    let mut told = Vec::new();
    for (method, path, body) in [
        transfer("debit_account_id", json!("zz")),
        transfer("debit_account_id", json!("0193-6f6e")),
        transfer("debit_account_id", json!(5)),
        transfer("amount", json!("5")),
        transfer("amount", json!(1.5)),
        transfer("currency", json!("usd")),
        transfer("currency", json!(5)),
        transfer("description", json!(5)),
        transfer("metadata", json!([1])),
        transfer("preconditions", json!(5)),
        transfer("preconditions", json!({"debit_version": "7"})),
        transfer("preconditions", json!({"debit_balance": {"gte": 1.5}})),
        transfer("preconditions", json!({"debit_balance": {"gte": 1e30}})),
        transfer("preconditions", json!([])),
        transfer("preconditions", json!({"credit_balance": [1, 2]})),
        transfer("preconditions", json!({"credit_balance": {"ne": 5}})),
        transfer("pending", json!("yes")),
        transfer("expires_in", json!(60)),
        account(json!({"name": "x", "currency": "XXXX"})),
        account(json!({"name": " x", "currency": "USD"})),
        account(json!({"name": ["x"], "currency": "USD"})),
        account(json!({"name": "x", "currency": "USD", "kind": "bank"})),
        account(json!({"name": "x", "currency": "USD", "kind": null})),
        account(json!({"name": "x", "currency": "USD", "kind": {"user": 1}})),
        account(json!({})),
        patch(json!({"name": 5})),
        patch(json!({"name": ""})),
        patch(json!({"balance": 5})),
        batch(json!({"mode": "some", "transfers": []})),
        batch(json!({"mode": 5, "transfers": []})),
        batch(json!({"mode": "atomic", "transfers": {}})),
        batch(json!({"mode": "atomic", "transfers": []})),
    ] {
        let answer = stack.client.raw(&who, method, &path, &[], Some(body.to_string())).await;
        assert!(matches!(answer.status, 400 | 422), "{path} {body} {}", answer.status);
        let answer = answer.json();
        let faults = answer["errors"].as_array().unwrap_or_else(|| panic!("{body} {answer}"));
        told.extend(faults.iter().map(|fault| (body.clone(), fault.clone())));
    }
    for path in QUERIES {
        let answer = stack.client.get(&who, path).await.json();
        told.extend(answer["errors"].as_array().unwrap().iter().map(|fault| (json!(path), fault.clone())));
    }
    let inside = |detail: &str| {
        let words: Vec<_> = detail.split(|c: char| !c.is_alphanumeric() && c != '`').collect();
        INSIDE.iter().any(|inside| words.contains(inside)) || detail.contains('`')
    };
    let bad: Vec<_> = told.iter().filter(|(_, fault)| inside(fault["detail"].as_str().unwrap())).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(told.iter().all(|(_, fault)| !fault["pointer"].as_str().unwrap().is_empty()), "{told:#?}");
}
