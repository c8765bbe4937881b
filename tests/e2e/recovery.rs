//! What happens by mail, through the gateway and out of the spool: confirming, moving, forgetting, resetting.

use std::time::Duration;

use serde_json::json;
use tests::client::PASSWORD;
use tests::{Backend, Stack, wait_until};

journeys!(register_confirm_move_forget_reset, strangers_learn_nothing, pages_do_it_without_a_page_of_ones_own,);

const NEW: &str = "another horse battery 8 staple";

async fn register_confirm_move_forget_reset(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let confirm = stack.mail(&ann.email, "Confirm your e-mail").await;
    drop(visitor.post("/api/v1/auth/email/verify", json!({"token": confirm.token()})).await.expect(204));
    visitor.post("/api/v2/auth/email/verify", json!({"token": confirm.token()})).await.problem(410, "link_invalid");
    let me = ann.client.get("/api/v2/users/me").await.expect(200).json();
    assert_eq!(me["email_verified"], true, "{me}");

    let new = format!("moved-{}", ann.email);
    let patched = ann.client.patch("/api/v1/users/me", json!({"email": new})).await.expect(200);
    assert_eq!(patched.text("/email"), ann.email, "not before it is confirmed");
    drop(stack.mail(&ann.email, "about to change").await);
    let token = stack.mail(&new, "Confirm your new").await.token();
    drop(visitor.post("/api/v1/auth/email/verify", json!({"token": token})).await.expect(204));
    drop(stack.mail(&ann.email, "has changed").await);
    visitor.password_grant(&ann.email, PASSWORD).await.problem(400, "invalid_grant");
    let there = visitor.password_grant(&new, PASSWORD).await.expect(200);

    drop(visitor.post("/api/v1/auth/password/forgot", json!({"email": new.to_uppercase()})).await.expect(202));
    let token = stack.mail(&new, "Choose a new password").await.token();
    let reset = |password: &str| {
        visitor
            .call(reqwest::Method::POST, "/api/v1/auth/password/reset")
            .json(json!({"token": token, "new_password": password}))
            .send()
    };
    reset("short").await.problem(422, "validation_failed");
    drop(reset(NEW).await.expect(204));
    reset(NEW).await.problem(410, "link_invalid");
    // Within a second, and with no request per call: the gateway is told.
    for client in [ann.client.clone(), visitor.with_token(there.text("/access_token"))] {
        wait_until("the old sessions are dead", Duration::from_secs(1), async || {
            (client.get("/api/v1/users/me").await.status == 401).then_some(())
        })
        .await;
    }
    visitor.refresh_grant(&ann.refresh_token).await.problem(400, "invalid_grant");
    visitor.password_grant(&new, PASSWORD).await.problem(400, "invalid_grant");
    let again = visitor.password_grant(&new, NEW).await.expect(200);
    drop(visitor.with_token(again.text("/access_token")).get("/api/v1/users/me").await.expect(200));
    drop(stack.mail(&new, "Your password").await);
}

async fn strangers_learn_nothing(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    for path in ["/api/v1/auth/password/forgot", "/api/v1/auth/email/resend"] {
        let known = visitor.post(path, json!({"email": ann.email})).await.expect(202);
        let unknown = visitor.post(path, json!({"email": "nobody@example.com"})).await.expect(202);
        assert_eq!(known.body, unknown.body, "{path}");
        visitor.post(path, json!({"email": ann.email, "more": 1})).await.problem(422, "validation_failed");
        visitor.post(path, json!({"email": 1})).await.problem(400, "malformed_body");
    }
    for token in ["", "tgl_", "tgl_AAAA", "x"] {
        visitor.post("/api/v1/auth/email/verify", json!({"token": token})).await.problem(410, "link_invalid");
        let body = json!({"token": token, "new_password": NEW});
        visitor.post("/api/v1/auth/password/reset", body).await.problem(410, "link_invalid");
    }
}

async fn pages_do_it_without_a_page_of_ones_own(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (visitor, ann) = (stack.client(), stack.register("ann").await);
    let token = stack.mail(&ann.email, "Confirm your e-mail").await.token();
    let page = visitor.get(&format!("/account/verify?token={token}")).await.expect(200);
    assert_eq!(page.must("content-type"), "text/html; charset=utf-8");
    assert_eq!((page.must("referrer-policy"), page.must("cache-control")), ("no-referrer", "no-store"));
    assert!(page.must("content-security-policy").starts_with("default-src 'none'"), "{page}");
    drop(visitor.form("/account/verify", &[("token", &token)]).await.expect(200));
    let used = visitor.form("/account/verify", &[("token", &token)]).await.expect(410);
    assert_eq!(used.must("content-type"), "text/html; charset=utf-8");
    assert_eq!(ann.client.get("/api/v2/users/me").await.expect(200).json()["email_verified"], true);
}
