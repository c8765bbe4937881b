//! The audit through the gateway: what happened stands in it, administrators alone read it, and whoever changes it is found.

use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use tests::backends::{Ground, binary};
use tests::client::PASSWORD;
use tests::{Backend, Stack, wait_until};

journeys!(administrators_alone_read_it, what_happened_stands_in_it, whoever_changes_it_is_found);

const EVENTS: &str = "/api/v1/audit/events";

async fn administrators_alone_read_it(backend: Backend) {
    let stack = Stack::start(backend).await;
    let root = stack.administrator().await;
    for version in ["v1", "v2"] {
        let path = format!("/api/{version}/audit/events");
        let page = root.client.get(&format!("{path}?limit=1")).await.expect(200);
        assert_eq!((page.must("cache-control"), page.must("api-version")), ("no-store", version));
        assert_eq!(page.text("/data/0/kind"), "sign_in.succeeded");
        assert_eq!(page.text("/data/0/actor/id"), root.id);
        assert_eq!(page.json()["page"]["has_more"], true);
        stack.client().get(&path).await.problem(401, "token_required");
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            root.client.call(method, &path).send().await.problem(405, "method_not_allowed");
        }
    }
    for role in ["user", "support", "treasurer"] {
        let person = stack.with_roles(role, &[role]).await;
        person.client.get(EVENTS).await.problem(403, "forbidden");
    }
    root.client.get(&format!("{EVENTS}?kind=nonsense")).await.problem(422, "validation_failed");
    root.client.get(&format!("{EVENTS}?cursor=nonsense")).await.problem(400, "invalid_cursor");
    // Who is one no more reads it no more.
    let second = stack.with_roles("second", &["admin"]).await;
    drop(second.client.get(EVENTS).await.expect(200));
    let roles = format!("/api/v1/users/{}/roles", second.id);
    drop(root.client.put(&roles, json!({"roles": ["user"]})).await.expect(200));
    let refused = async || (second.client.get(EVENTS).await.status == 403).then_some(());
    wait_until("the role is gone at the gateway", Duration::from_secs(1), refused).await;
}

async fn what_happened_stands_in_it(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, support) = (stack.administrator().await, stack.with_roles("support", &["support"]).await);
    let ann = stack.register("ann").await;
    drop(stack.client().password_grant(&ann.username, "wrong horse 9").await.expect(400));
    let path = format!("/api/v1/users/{}", ann.id);
    support.client.patch(&path, json!({"name": "Mallory"})).await.problem(403, "forbidden");
    let disable = root.client.call(Method::POST, &format!("{path}/disable")).header("x-request-id", "the-disabling");
    drop(disable.send().await.expect(200));
    drop(stack.client().password_grant(&ann.username, PASSWORD).await.expect(400));

    let about = root.client.pages(&format!("{EVENTS}?limit=2&sort_order=asc&user={}", ann.id)).await;
    let kinds: Vec<_> = about.iter().map(|event| event["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["user.registered", "sign_in.succeeded", "call.refused", "user.disabled"]);
    let (refused, disabled) = (&about[2], &about[3]);
    assert_eq!((&refused["actor"]["id"], &refused["outcome"]), (&json!(support.id), &json!("refused")));
    assert_eq!((&disabled["actor"]["id"], &disabled["request_id"]), (&json!(root.id), &json!("the-disabling")));
    assert!(about.iter().all(|event| event["client_ip"] == "127.0.0.1"), "{about:#?}");
    let failed = root.client.pages(&format!("{EVENTS}?identifier={}", ann.username)).await;
    assert_eq!(failed.len(), 2, "with a wrong password, and shut out: {failed:#?}");
    assert!(failed.iter().all(|event| event["kind"] == "sign_in.failed" && event["user_id"] == Value::Null));
    assert!(!format!("{failed:?}").contains(&ann.username));
}

/// `users-service verify-audit`: how it ends, and what it says.
fn verify(ground: &Ground, from: Option<&str>) -> (Option<i32>, String) {
    let mut command = Command::new(binary("users-service").expect("the binary is built"));
    command.arg("verify-audit").args(from.map(|from| format!("--from={from}")));
    command.env("TOLLGATE_USERS__DATABASE__URL", &ground.users);
    let output = command.env("TOLLGATE_USERS__IDENTITY__SECRET", "x".repeat(32)).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

/// Runs a statement as whoever owns the database could.
async fn run(backend: Backend, ground: &Ground, sql: &'static str) -> Result<(), sqlx::Error> {
    match backend {
        Backend::Embedded => {
            let mut database = SqliteConnection::connect(&ground.users).await?;
            database.execute(sql).await?;
            database.close().await
        }
        Backend::Real => {
            let mut database = PgConnection::connect(&ground.users).await?;
            database.execute(sql).await?;
            database.close().await
        }
    }
}

async fn whoever_changes_it_is_found(backend: Backend) {
    let stack = Stack::start(backend).await;
    let root = stack.administrator().await;
    stack.register("ann").await;
    let page = root.client.get(&format!("{EVENTS}?limit=1")).await.expect(200).json();
    let kept = format!("{}:{}", page["data"][0]["seq"], page["data"][0]["hash"].as_str().unwrap_or_default());
    let ground = stack.halt(Duration::from_secs(5)).await;
    let (code, said) = verify(&ground, None);
    assert!(code == Some(0) && said.contains(&format!("head: {kept}")), "{code:?} {said}");
    assert_eq!(verify(&ground, Some(&kept)).0, Some(0));

    const CHANGE: &str = "UPDATE audit_events SET kind = 'x' WHERE seq = 2";
    drop(run(backend, &ground, CHANGE).await.expect_err("written once"));
    let unguard = match backend {
        Backend::Embedded => "DROP TRIGGER audit_events_no_update",
        Backend::Real => "ALTER TABLE audit_events DISABLE TRIGGER ALL",
    };
    for sql in [unguard, CHANGE] {
        run(backend, &ground, sql).await.expect("the owner may do anything");
    }
    let (code, said) = verify(&ground, None);
    assert!(code == Some(1) && said.contains("event 2 is broken"), "{code:?} {said}");
    assert_eq!(verify(&ground, Some(&kept)).0, Some(0), "what is before it is taken on trust");
    assert_eq!(verify(&ground, Some("nonsense")).0, Some(2));
    ground.clear().await.expect("the databases are dropped");
    let unknown = Ground::lay(Backend::Embedded).await.expect("ground");
    assert_eq!(verify(&unknown, None).0, Some(2), "there is nothing to check");
}
