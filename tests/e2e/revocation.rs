//! What an administrator takes away is gone within a second, on tokens already issued.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::client::Person;
use tests::{Backend, Stack, wait_until};

journeys!(
    a_demoted_administrators_token,
    a_disabled_users_token,
    a_deleted_users_token,
    a_revoked_sessions_token,
    another_sessions_token_when_the_password_changes,
    a_demoted_treasurers_token,
    a_raised_users_old_token,
);

/// The contract's "within 1 s".
const BITES: Duration = Duration::from_secs(1);

async fn set_roles(root: &Person, id: &str, roles: &[&str]) {
    let set = root.client.put(&format!("/api/v1/users/{id}/roles"), json!({"roles": roles})).await;
    assert!(set.status < 300, "{set}");
}

async fn a_demoted_administrators_token(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, second) = (stack.administrator().await, stack.with_roles("second", &["admin"]).await);
    drop(second.client.get("/api/v1/users").await.expect(200));
    set_roles(&root, &second.id, &["user"]).await;
    let refused = async || Some(second.client.get("/api/v1/users").await).filter(|answer| answer.status != 200);
    wait_until("the old token loses the role", BITES, refused).await.problem(403, "forbidden");
    let path = format!("/api/v1/users/{}/roles", second.id);
    second.client.put(&path, json!({"roles": ["user", "admin"]})).await.problem(403, "forbidden");
    assert_eq!(second.client.get("/api/v1/users/me").await.status, 200, "what every user may do, the token still does");
}

async fn a_disabled_users_token(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, ann) = (stack.administrator().await, stack.register("ann").await);
    let account = ann.client.open("a", "USD").await;
    let path = format!("/api/v1/accounts/{account}");
    assert!(root.client.call(Method::POST, &format!("/api/v1/users/{}/disable", ann.id)).send().await.status < 300);
    for path in ["/api/v1/users/me", &path] {
        let refused = async || Some(ann.client.get(path).await).filter(|answer| answer.status != 200);
        wait_until("the token ends", BITES, refused).await.problem(401, "token_invalid");
    }
    stack.client().password_grant(&ann.email, &ann.password).await.problem(400, "invalid_grant");
    stack.client().refresh_grant(&ann.refresh_token).await.problem(400, "invalid_grant");
    assert!(root.client.call(Method::POST, &format!("/api/v1/users/{}/enable", ann.id)).send().await.status < 300);
    let again = ann.again().await;
    assert_eq!(again.client.get(&path).await.status, 200);
    ann.client.get(&path).await.problem(401, "token_invalid");
}

async fn a_deleted_users_token(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, root) = (stack.register("ann").await, stack.administrator().await);
    drop(ann.client.delete("/api/v1/users/me").await.expect(204));
    let refused = async || {
        Some(ann.client.get("/api/v1/users/me").await).filter(|answer| answer.status != 200 && answer.status != 404)
    };
    wait_until("the token ends", BITES, refused).await.problem(401, "token_invalid");
    stack.client().password_grant(&ann.email, &ann.password).await.problem(400, "invalid_grant");
    let again = json!({"email": ann.email, "username": "someoneelse", "password": ann.password});
    stack.client().post("/api/v1/users", again).await.problem(409, "email_taken");
    assert!(root.client.call(Method::POST, &format!("/api/v1/users/{}/restore", ann.id)).send().await.status < 300);
    assert_eq!(ann.again().await.client.get("/api/v1/users/me").await.status, 200);
}

async fn a_revoked_sessions_token(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let other = ann.again().await;
    drop(stack.client().form("/api/v1/auth/revoke", &[("token", &ann.refresh_token)]).await.expect(200));
    let refused = async || Some(ann.client.get("/api/v1/users/me").await).filter(|answer| answer.status != 200);
    wait_until("the session's token ends", BITES, refused).await.problem(401, "token_invalid");
    stack.client().refresh_grant(&ann.refresh_token).await.problem(400, "invalid_grant");
    assert_eq!(other.client.get("/api/v1/users/me").await.status, 200, "the other session goes on");
    drop(stack.client().form("/api/v1/auth/revoke", &[("token", "no such token")]).await.expect(200));
}

async fn another_sessions_token_when_the_password_changes(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let other = ann.again().await;
    let account = ann.client.open("a", "USD").await;
    let (me, account) = ("/api/v1/users/me".to_owned(), format!("/api/v1/accounts/{account}"));
    for path in [&me, &account] {
        assert_eq!(other.client.get(path).await.status, 200, "the gateway knows the token");
    }
    let change = json!({"current_password": ann.password, "new_password": "another horse battery 8 staple"});
    drop(ann.client.put("/api/v1/users/me/password", change).await.expect(204));
    for path in [&me, &account] {
        let refused = async || Some(other.client.get(path).await).filter(|answer| answer.status != 200);
        wait_until("the other session's token ends", BITES, refused).await.problem(401, "token_invalid");
    }
    stack.client().refresh_grant(&other.refresh_token).await.problem(400, "invalid_grant");
    for path in [&me, &account] {
        assert_eq!(ann.client.get(path).await.status, 200, "whoever changed it goes on");
    }
}

async fn a_demoted_treasurers_token(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, treasurer) = (stack.administrator().await, stack.with_roles("second", &["treasurer"]).await);
    drop(treasurer.client.open_system("mint", "EUR").await);
    set_roles(&root, &treasurer.id, &["user"]).await;
    let body = json!({"name": "mint", "currency": "EUR", "kind": "system"});
    let refused =
        async || Some(treasurer.client.post("/api/v1/accounts", &body).await).filter(|answer| answer.status != 201);
    wait_until("the old token loses the role", BITES, refused).await.problem(403, "forbidden");
}

async fn a_raised_users_old_token(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, ann) = (stack.administrator().await, stack.register("ann").await);
    set_roles(&root, &ann.id, &["user", "support"]).await;
    ann.client.get("/api/v1/users").await.problem(403, "forbidden");
    assert_eq!(ann.again().await.client.get("/api/v1/users").await.status, 200, "a new token has the new role");
}
