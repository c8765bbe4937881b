//! Accounts: who may open, see, rename, freeze and close which.

use std::rc::Rc;

use serde_json::json;

use crate::client::{pay, someone, treasurer, user};
use crate::stack::Stack;
use crate::{on_both, on_two_processes};
use shared::domain::Role;

on_both!(
    an_account_shows_what_the_contract_lists,
    others_accounts_are_absent,
    renaming_respects_versions,
    closing_needs_an_empty_account,
    steps_take_no_body,
);

on_two_processes!(renaming_respects_versions, closing_needs_an_empty_account,);

async fn an_account_shows_what_the_contract_lists(stack: Rc<Stack>) {
    let who = user();
    let body = json!({"name": "Yen", "currency": "JPY"});
    let opened = stack.client.post(&who, "/api/v1/accounts", &[], &body).await.expect(201);
    let account = opened.json();
    let path = format!("/api/v1/accounts/{}", account["id"].as_str().unwrap());
    assert_eq!(opened.header("location"), Some(path.as_str()));
    for (member, value) in [
        ("owner_id", json!(who.id.to_string())),
        ("name", json!("Yen")),
        ("kind", json!("user")),
        ("currency", json!("JPY")),
        ("exponent", json!(0)),
        ("status", json!("open")),
        ("balance", json!(0)),
        ("held", json!(0)),
        ("available", json!(0)),
        ("floor", json!(0)),
        ("ceiling", json!(null)),
        ("version", json!(1)),
    ] {
        assert_eq!(account[member], value, "{member}");
    }
    assert!(account["created_at"].as_str().unwrap().ends_with('Z'));
    let shown = stack.client.get(&who, &path).await.expect(200);
    assert_eq!((shown.json(), shown.header("etag")), (account, Some("\"1\"")));
    assert_eq!(stack.client.raw(&who, "GET", &path, &[("if-none-match", "\"1\"")], None).await.status, 304);
    let system = json!({"name": "Bank", "currency": "JPY", "kind": "system"});
    assert_eq!(stack.client.post(&who, "/api/v1/accounts", &[], &system).await.code(), "forbidden");
    let bank = stack.client.post(&treasurer(), "/api/v2/accounts", &[], &system).await.expect(201);
    assert_eq!(bank.json()["floor"], json!(null));
    assert!(bank.header("location").unwrap().starts_with("/api/v2/accounts/"));
}

async fn others_accounts_are_absent(stack: Rc<Stack>) {
    let (who, stranger) = (user(), user());
    let account = stack.client.open(&who, "user").await;
    for (method, path, body) in [
        ("GET", format!("/api/v1/accounts/{account}"), None),
        ("GET", format!("/api/v1/accounts/{account}/entries"), None),
        ("PATCH", format!("/api/v1/accounts/{account}"), Some("{\"name\": \"x\"}".to_owned())),
        ("POST", format!("/api/v1/accounts/{account}/freeze"), None),
        ("POST", format!("/api/v1/accounts/{account}/close"), None),
        ("GET", "/api/v1/accounts/not-an-id".to_owned(), None),
    ] {
        let answer = stack.client.raw(&stranger, method, &path, &[], body).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{method} {path}");
    }
    assert_eq!(stack.client.balance(&someone(&[Role::Support]), &account).await, 0);
    let freeze = format!("/api/v1/accounts/{account}/freeze");
    assert_eq!(stack.client.raw(&who, "POST", &freeze, &[], None).await.code(), "forbidden");
    assert_eq!(stack.client.raw(&someone(&[Role::Support]), "POST", &freeze, &[], None).await.code(), "forbidden");
}

async fn renaming_respects_versions(stack: Rc<Stack>) {
    let who = user();
    let path = format!("/api/v1/accounts/{}", stack.client.open(&who, "user").await);
    let patch = async |tag: &str, body: &str| {
        let headers: &[(&str, &str)] = if tag.is_empty() { &[] } else { &[("if-match", tag)] };
        stack.client.raw(&who, "PATCH", &path, headers, Some(body.to_owned())).await
    };
    let renamed = patch("\"1\"", "{\"name\": \"New\"}").await.expect(200);
    assert_eq!((renamed.json()["name"].as_str(), renamed.header("etag")), (Some("New"), Some("\"2\"")));
    assert_eq!(patch("\"1\"", "{\"name\": \"Newer\"}").await.code(), "stale_precondition");
    assert_eq!(patch("", "{}").await.expect(200).header("etag"), Some("\"2\""));
    assert_eq!(patch("", "{\"name\": null}").await.status, 422);
    assert_eq!(patch("", "{\"name\": \" x\"}").await.status, 422);
    assert_eq!(patch("", "{\"balance\": 5}").await.status, 422);
    assert_eq!(patch("", "{\"name\": 5}").await.status, 400);
}

async fn closing_needs_an_empty_account(stack: Rc<Stack>) {
    let who = user();
    let account = stack.client.funded(&who, 5).await;
    let other = stack.client.open(&who, "user").await;
    let close = format!("/api/v1/accounts/{account}/close");
    assert_eq!(stack.client.raw(&who, "POST", &close, &[], None).await.code(), "account_not_empty");
    stack.client.transfer(&who, "empty", &pay(&account, &other, 5)).await.expect(201);
    let closed = stack.client.raw(&who, "POST", &close, &[], None).await.expect(200);
    assert_eq!(closed.json()["status"], "closed");
    assert_eq!(stack.client.transfer(&who, "x", &pay(&account, &other, 5)).await.code(), "debit_account_closed");
    assert_eq!(stack.client.transfer(&who, "y", &pay(&other, &account, 5)).await.code(), "credit_account_closed");
    let unfreeze = format!("/api/v1/accounts/{account}/unfreeze");
    assert_eq!(stack.client.raw(&treasurer(), "POST", &unfreeze, &[], None).await.code(), "state_conflict");
}

async fn steps_take_no_body(stack: Rc<Stack>) {
    let officer = treasurer();
    let account = stack.client.open(&officer, "user").await;
    let large = format!("{}{{}}", " ".repeat(70_000));
    for step in ["freeze", "unfreeze", "close"] {
        let path = format!("/api/v1/accounts/{account}/{step}");
        let send = async |kind: &str, body: &str| stack.client.typed(&officer, &path, kind, body).await;
        for (kind, body, status, code) in [
            ("application/json", "{\"reason\": \"x\"}", 422, "validation_failed"),
            ("application/json", "[]", 400, "malformed_body"),
            ("application/json", "{", 400, "malformed_body"),
            ("application/json", &large, 413, "body_too_large"),
            ("text/plain", "{}", 415, "unsupported_media_type"),
            ("", "{}", 415, "unsupported_media_type"),
        ] {
            let refused = send(kind, body).await;
            assert_eq!((refused.status, refused.code().as_str()), (status, code), "{step} {kind} {body}");
        }
        for (kind, body) in [("application/json", "{}"), ("application/json", " { } "), ("", ""), ("text/plain", "")] {
            send(kind, body).await.expect(200);
        }
    }
}
