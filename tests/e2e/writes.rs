//! Writing to what others write to: entity tags, merge patches, and lost updates that are not lost.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Backend, Client, Stack};

journeys!(a_tag_of_an_account, a_tag_of_a_user, merge_patch, one_of_two_concurrent_patches);

async fn conditional(
    client: &Client,
    method: Method,
    path: &str,
    header: (&str, &str),
    body: Option<Value>,
) -> tests::Answer {
    let call = client.call(method, path).header(header.0, header.1);
    match body {
        Some(body) => call.json(body).header("content-type", "application/merge-patch+json").send().await,
        None => call.send().await,
    }
}

async fn a_tag(client: &Client, path: &str, field: &str) {
    let first = client.get(path).await.expect(200).must("etag").to_owned();
    assert!(first.starts_with('"') || first.starts_with("W/\""), "{first}");
    for none_match in [first.as_str(), "*", &format!("\"other\", {first}")] {
        let unchanged = conditional(client, Method::GET, path, ("if-none-match", none_match), None).await;
        assert_eq!((unchanged.status, unchanged.body.len(), unchanged.must("etag")), (304, 0, first.as_str()));
    }
    assert_eq!(conditional(client, Method::GET, path, ("if-none-match", "\"other\""), None).await.status, 200);
    let changed = conditional(client, Method::PATCH, path, ("if-match", &first), Some(json!({field: "Second"})))
        .await
        .expect(200);
    let second = changed.must("etag").to_owned();
    assert_ne!(first, second);
    let stale = conditional(client, Method::PATCH, path, ("if-match", &first), Some(json!({field: "Third"}))).await;
    stale.problem(412, "stale_precondition");
    let now = client.get(path).await.expect(200);
    assert_eq!((now.must("etag"), now.text(&format!("/{field}"))), (second.as_str(), "Second".to_owned()));
    drop(conditional(client, Method::PATCH, path, ("if-match", "*"), Some(json!({field: "Fourth"}))).await.expect(200));
}

async fn a_tag_of_an_account(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let account = ann.open("First", "USD").await;
    a_tag(&ann, &format!("/api/v1/accounts/{account}"), "name").await;
}

async fn a_tag_of_a_user(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    a_tag(&ann.client, "/api/v1/users/me", "name").await;
    a_tag(&stack.administrator().await.client, &format!("/api/v2/users/{}", ann.id), "name").await;
}

async fn merge_patch(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let me = "/api/v1/users/me";
    assert_eq!(ann.patch(me, json!({"name": "Ann"})).await.expect(200).json()["name"], "Ann");
    assert_eq!(ann.patch(me, json!({})).await.expect(200).json()["name"], "Ann", "absent keeps");
    assert_eq!(ann.patch(me, json!({"name": null})).await.expect(200).json()["name"], Value::Null, "null clears");
    for (patch, pointer) in [
        (json!({"email": null}), "/email"),
        (json!({"username": null}), "/username"),
        (json!({"username": "x y"}), "/username"),
        (json!({"email": "not an address"}), "/email"),
        (json!({"roles": ["admin"]}), "/roles"),
        (json!({"id": "0"}), "/id"),
        (json!({"password": "another password 1"}), "/password"),
    ] {
        let answer = ann.patch(me, &patch).await;
        answer.problem(422, "validation_failed");
        assert_eq!(answer.pointers(), [pointer], "{patch}");
    }
    ann.patch(me, json!({"name": 5})).await.problem(400, "malformed_body");
    ann.patch(me, json!([])).await.problem(400, "malformed_body");
    let bob = stack.register("bob").await;
    ann.patch(me, json!({"email": bob.email})).await.problem(409, "email_taken");
    ann.patch(me, json!({"username": bob.username.to_uppercase()})).await.problem(409, "username_taken");
    let account = ann.open("a", "USD").await;
    ann.patch(&format!("/api/v1/accounts/{account}"), json!({"name": null})).await.problem(422, "validation_failed");
}

async fn one_of_two_concurrent_patches(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await.client;
    let account = ann.open("First", "USD").await;
    for path in [format!("/api/v1/accounts/{account}"), "/api/v1/users/me".to_owned()] {
        let tag = ann.get(&path).await.expect(200).must("etag").to_owned();
        let patches = (0..20).map(|number| {
            conditional(&ann, Method::PATCH, &path, ("if-match", &tag), Some(json!({"name": format!("Name {number}")})))
        });
        let patches: Vec<_> = patches.collect();
        let answers = join_all(patches).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{path}");
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            lost.problem(412, "stale_precondition");
        }
    }
}
