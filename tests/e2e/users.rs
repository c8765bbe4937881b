//! Administering users: who may see whom, roles, and an administrator who cannot be the last to go.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::client::newcomer;
use tests::{Backend, Stack};

journeys!(
    who_sees_whom,
    the_last_administrator,
    of_two_administrators_one_stays,
    roles_are_a_closed_list,
    one_address_registers_once,
    registration_replays,
    searching
);

async fn who_sees_whom(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, support) = (stack.administrator().await, stack.with_roles("support", &["support"]).await);
    let (ann, bob) = (stack.register("ann").await, stack.register("bob").await);
    let path = format!("/api/v2/users/{}", ann.id);
    for reader in [&root, &support, &ann] {
        assert_eq!(reader.client.get(&path).await.expect(200).text("/email"), ann.email);
    }
    bob.client.get(&path).await.problem(404, "not_found");
    for client in [&bob.client, &support.client] {
        let answer = client.patch(&path, json!({"name": "Mallory"})).await;
        assert!([403, 404].contains(&answer.status), "{answer}");
        let answer = client.delete(&path).await;
        assert!([403, 404].contains(&answer.status), "{answer}");
    }
    assert_eq!(root.client.patch(&path, json!({"name": "Ann"})).await.expect(200).text("/name"), "Ann");
    for step in ["disable", "enable", "restore"] {
        for client in [&bob.client, &support.client] {
            client
                .call(Method::POST, &format!("/api/v1/users/{}/{step}", ann.id))
                .send()
                .await
                .problem(403, "forbidden");
        }
    }
    bob.client
        .put(&format!("/api/v1/users/{}/roles", bob.id), json!({"roles": ["admin"]}))
        .await
        .problem(403, "forbidden");
    root.client.get("/api/v1/users/not-an-id").await.problem(404, "not_found");
    drop(root.client.delete(&path).await.expect(204));
}

async fn the_last_administrator(backend: Backend) {
    let stack = Stack::start(backend).await;
    let root = stack.administrator().await;
    let path = format!("/api/v1/users/{}", root.id);
    root.client.put(&format!("{path}/roles"), json!({"roles": ["user"]})).await.problem(409, "last_administrator");
    root.client.call(Method::POST, &format!("{path}/disable")).send().await.problem(409, "last_administrator");
    root.client.delete(&path).await.problem(409, "last_administrator");
    root.client.delete("/api/v1/users/me").await.problem(409, "last_administrator");
    assert_eq!(root.client.get("/api/v1/users").await.status, 200);
}

async fn of_two_administrators_one_stays(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, second) = (stack.administrator().await, stack.with_roles("second", &["admin"]).await);
    // Each demotes the other at the same moment, many times over.
    let demote = |by: &tests::Person, whom: &tests::Person| {
        let (client, path) = (by.client.clone(), format!("/api/v1/users/{}/roles", whom.id));
        async move { client.put(&path, json!({"roles": ["user"]})).await }
    };
    let answers = join_all([demote(&root, &second), demote(&second, &root)]).await;
    assert!(answers.iter().all(|answer| [200, 204, 401, 403, 409].contains(&answer.status)), "{answers:?}");
    let (first, other) = (root.again().await, second.again().await);
    let left = [first.client.get("/api/v1/users").await.status, other.client.get("/api/v1/users").await.status];
    assert_eq!(left.iter().filter(|status| **status == 200).count(), 1, "exactly one administrator is left: {left:?}");
}

async fn roles_are_a_closed_list(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, ann) = (stack.administrator().await, stack.register("ann").await);
    let path = format!("/api/v1/users/{}/roles", ann.id);
    for bad in [
        json!({"roles": ["root"]}),
        json!({"roles": "admin"}),
        json!({}),
        json!({"roles": null}),
        json!({"roles": [], "x": 1}),
        json!({"roles": ["Admin"]}),
    ] {
        let answer = root.client.put(&path, &bad).await;
        assert!([400, 422].contains(&answer.status), "{bad}: {answer}");
        drop(answer.is_problem());
    }
    let nobody = format!("/api/v1/users/{}/roles", uuid::Uuid::new_v4());
    root.client.put(&nobody, json!({"roles": ["user"]})).await.problem(404, "not_found");
    assert_eq!(root.client.get(&format!("/api/v2/users/{}", ann.id)).await.json()["roles"], json!(["user"]));
}

async fn one_address_registers_once(backend: Backend) {
    let stack = Stack::start(backend).await;
    let visitor = stack.client();
    let body = newcomer("ann");
    let answers = join_all((0..20).map(|_| visitor.post("/api/v1/users", &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for lost in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(lost.status, 409, "{lost}");
        assert!(["email_taken", "username_taken"].contains(&lost.code().unwrap_or_default().as_str()), "{lost}");
    }
}

async fn registration_replays(backend: Backend) {
    let stack = Stack::start(backend).await;
    let body = newcomer("ann");
    let send = |body: Value| stack.client().call(Method::POST, "/api/v1/users").key("once").json(body).send();
    let (first, second) = (send(body.clone()).await.expect(201), send(body.clone()).await.expect(201));
    assert_eq!((second.must("idempotent-replayed"), &second.body), ("true", &first.body));
    let mut other = body.clone();
    other["name"] = "Other".into();
    send(other).await.problem(422, "idempotency_key_reused");
    let somebody_else = send(newcomer("bob")).await.expect(201);
    assert_eq!(somebody_else.header("idempotent-replayed"), None, "another e-mail is another scope");
}

async fn searching(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, ann, bob) =
        (stack.administrator().await, stack.register("searchann").await, stack.register("searchbob").await);
    let found =
        async |query: &str| root.client.get(&format!("/api/v1/users?{query}")).await.expect(200).int("/meta/total");
    assert_eq!(found("q=searchann").await, 1);
    assert_eq!(found("q=SEARCHANN").await, 1, "whatever the case");
    assert_eq!(found("q=%25").await, 0, "a wildcard is a letter here");
    assert_eq!(found("q=_").await, 0);
    assert_eq!(found("q=%27%20OR%20%271%27%3D%271").await, 0);
    assert_eq!(found("role=admin").await, 1);
    drop(root.client.call(Method::POST, &format!("/api/v1/users/{}/disable", bob.id)).send().await);
    assert_eq!(found("status=disabled").await, 1);
    drop(ann.client.delete("/api/v1/users/me").await.expect(204));
    assert_eq!(found("status=deleted").await, 1);
    assert_eq!(found("role=root").await, 0, "a custom role that nobody has");
    root.client.get("/api/v1/users?role=no%20role").await.problem(422, "validation_failed");
    root.client.get("/api/v1/users?status=odd").await.problem(422, "validation_failed");
}
