//! Who sees whether the ledger is sound, and who says that they have acted.

use std::rc::Rc;

use serde_json::json;
use shared::domain::Role;

use super::sampled::PATH;
use crate::client::{someone, treasurer, user};
use crate::on_both;
use crate::stack::Stack;

on_both!(officers_see_it_and_nobody_else, what_there_is_not_cannot_be_acted_on);

async fn officers_see_it_and_nobody_else(stack: Rc<Stack>) {
    let acknowledge = format!("{PATH}/acknowledgements");
    let body = json!({"violations": ["01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11"]});
    for who in [user(), someone(&[Role::User, Role::Support])] {
        assert_eq!(stack.client.get(&who, PATH).await.expect(403).code(), "forbidden");
        assert_eq!(stack.client.post(&who, &acknowledge, &[], &body).await.expect(403).code(), "forbidden");
    }
    for who in [treasurer(), someone(&[Role::Admin])] {
        let shown = stack.client.get(&who, PATH).await.expect(200);
        assert_eq!(shown.header("cache-control"), Some("no-store"));
        let shown = shown.json();
        assert!(["sound", "unchecked"].contains(&shown["status"].as_str().unwrap()), "{shown}");
        assert_eq!(shown["invariants"].as_array().unwrap().len(), 18);
        assert_eq!(stack.client.raw(&who, "HEAD", PATH, &[], None).await.expect(200).bytes, b"");
        assert_eq!(stack.client.post(&who, &acknowledge, &[], &body).await.expect(422).code(), "validation_failed");
        let v2 = PATH.replace("v1", "v2");
        stack.client.get(&who, &v2).await.expect(200);
    }
    let officer = treasurer();
    for (method, path, allow) in [("DELETE", PATH, "GET, HEAD"), ("GET", acknowledge.as_str(), "POST")] {
        let refused = stack.client.raw(&officer, method, path, &[], None).await.expect(405);
        assert_eq!(refused.header("allow"), Some(allow));
    }
}

async fn what_there_is_not_cannot_be_acted_on(stack: Rc<Stack>) {
    let (officer, path) = (treasurer(), format!("{PATH}/acknowledgements"));
    let id = "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11";
    for (body, status, code) in [
        (json!({"violations": [id]}), 422, "validation_failed"),
        (json!({"violations": []}), 422, "validation_failed"),
        (json!({"violations": vec![id; 101]}), 422, "validation_failed"),
        (json!({"violations": [id], "note": ""}), 422, "validation_failed"),
        (json!({"violations": [id], "note": "x".repeat(501)}), 422, "validation_failed"),
        (json!({"violations": [id], "note": "a\u{0}b"}), 422, "validation_failed"),
        (json!({"violations": [id], "why": "x"}), 422, "validation_failed"),
        (json!({}), 422, "validation_failed"),
        (json!([]), 400, "malformed_body"),
    ] {
        let answer = stack.client.post(&officer, &path, &[], &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    }
}
