//! Shapes: what is malformed, what is refused, and in which order.

use std::rc::Rc;

use serde_json::json;

use crate::client::{pay, treasurer, user};
use crate::on_both;
use crate::stack::Stack;

on_both!(
    every_fault_of_a_transfer_has_its_code_and_its_turn,
    the_service_answers_only_the_gateway,
    whatever_has_get_has_head,
);

async fn every_fault_of_a_transfer_has_its_code_and_its_turn(stack: Rc<Stack>) {
    let (who, officer) = (user(), treasurer());
    let from = stack.client.funded(&who, 10).await;
    let to = stack.client.open(&user(), "user").await;
    let nobody = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
    let with = |member: &str, value: serde_json::Value| {
        let mut body = pay(&from, &to, 1);
        body[member] = value;
        body
    };
    let mut missing = pay(&from, &to, 1);
    missing.as_object_mut().unwrap().remove("currency");
    let deep = (0..100).fold(json!({}), |inner, _| json!({"a": inner}));
    let huge = json!(9_007_199_254_740_992_i64);
    for (body, status, code) in [
        (with("amount", json!(1.0)), 400, "malformed_body"),
        (with("amount", json!("5")), 400, "malformed_body"),
        (with("amount", json!(null)), 400, "malformed_body"),
        (with("amount", json!(0)), 422, "amount_out_of_range"),
        (with("amount", huge), 422, "amount_out_of_range"),
        (with("currency", json!("usd")), 422, "validation_failed"),
        (with("expires_in", json!(60)), 422, "validation_failed"),
        (with("description", json!("a\u{0}b")), 422, "validation_failed"),
        (with("metadata", json!([1])), 422, "validation_failed"),
        (with("metadata", deep), 422, "validation_failed"),
        (missing, 422, "validation_failed"),
        (with("credit_account_id", json!(from)), 422, "accounts_must_be_different"),
        (with("debit_account_id", json!(nobody)), 404, "debit_account_not_found"),
        (with("debit_account_id", json!(to)), 422, "accounts_must_be_different"),
        (with("credit_account_id", json!(nobody)), 422, "credit_account_not_found"),
        (with("currency", json!("EUR")), 422, "currency_mismatch"),
        (with("preconditions", json!({"debit_balance": {"gte": 10}})), 422, "precondition_failed"),
        (with("preconditions", json!({"debit_version": 99})), 422, "precondition_failed"),
        (with("amount", json!(11)), 422, "insufficient_funds"),
    ] {
        let answer = stack.client.transfer(&who, &uuid::Uuid::new_v4().to_string(), &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    }
    let path = "/api/v1/transfers";
    assert_eq!(stack.client.post(&who, path, &[], &pay(&from, &to, 0)).await.code(), "idempotency_key_required");
    assert_eq!(stack.client.post(&who, path, &[], &json!({})).await.code(), "validation_failed");
    let long = "x".repeat(256);
    let key = [("idempotency-key", long.as_str())];
    assert_eq!(stack.client.post(&who, path, &key, &pay(&from, &to, 1)).await.code(), "idempotency_key_invalid");
    // Another's account cannot be told from none, a treasurer included, unless it is a system account.
    assert_eq!(stack.client.transfer(&officer, "t", &pay(&from, &to, 1)).await.code(), "debit_account_not_found");
    assert_eq!(stack.client.raw(&who, "DELETE", path, &[], None).await.header("allow"), Some("GET, HEAD, POST"));
    assert_eq!(stack.client.balance(&who, &from).await, 10);
}

async fn the_service_answers_only_the_gateway(stack: Rc<Stack>) {
    let address = stack.client.address();
    let http = reqwest::Client::new();
    for path in ["/api/v1/accounts", "/api/v2/transfers"] {
        let answer = http.get(format!("{address}{path}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 401, "{path}");
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["code"], "assertion_required");
    }
    for path in ["/livez", "/readyz", "/metrics", "/openapi.json"] {
        assert_eq!(http.get(format!("{address}{path}")).send().await.unwrap().status().as_u16(), 200, "{path}");
    }
    assert_eq!(http.get(format!("{address}/nothing")).send().await.unwrap().status().as_u16(), 404);
}

async fn whatever_has_get_has_head(stack: Rc<Stack>) {
    let who = user();
    let account = stack.client.funded(&who, 10).await;
    let listed = stack.client.get(&who, "/api/v1/transfers").await.expect(200).json();
    let transfer = listed["data"][0]["id"].as_str().unwrap().to_owned();
    for path in [
        "/api/v1/accounts".to_owned(),
        format!("/api/v2/accounts/{account}"),
        format!("/api/v1/accounts/{account}/entries"),
        "/api/v2/transfers".to_owned(),
        format!("/api/v1/transfers/{transfer}"),
        "/livez".to_owned(),
        "/readyz".to_owned(),
        "/metrics".to_owned(),
        "/openapi.json".to_owned(),
    ] {
        let shown = stack.client.get(&who, &path).await.expect(200);
        let head = stack.client.raw(&who, "HEAD", &path, &[], None).await.expect(200);
        assert!(head.bytes.is_empty(), "{path}");
        for name in ["content-type", "etag", "link", "cache-control"] {
            assert_eq!(head.header(name), shown.header(name), "{path} {name}");
        }
        let allow = stack.client.raw(&who, "PUT", &path, &[], None).await.expect(405);
        assert!(allow.header("allow").unwrap().starts_with("GET, HEAD"), "{path}");
    }
}
