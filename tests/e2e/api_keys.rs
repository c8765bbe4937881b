//! API keys and custom roles through the gateway: what they open, in both forms, and that their loss bites within a second.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::client::{Client, Person, Transfer, fresh_key};
use tests::{Backend, Stack, wait_until};

journeys!(
    a_key_does_what_its_scope_says_and_no_more,
    a_stolen_key_is_not_worth_the_account,
    a_revoked_key_is_dead_within_a_second,
    a_custom_role_opens_what_it_says_until_it_is_taken_away,
);

/// The contract's "within 1 s".
const BITES: Duration = Duration::from_secs(1);

/// A new key of somebody's: its id and its text.
async fn make(person: &Person, scopes: &[&str]) -> (String, String) {
    let body = json!({"name": fresh_key(), "scopes": scopes});
    let made = person.client.post("/api/v1/users/me/api-keys", body).await.expect(201);
    (made.text("/id"), made.text("/key"))
}

/// Who has a key, by either header.
enum Holder {
    Bearer(Client),
    Header(Client, String),
}

impl Holder {
    fn both(stack: &Stack, key: &str) -> [Self; 2] {
        [Self::Bearer(stack.client().with_token(key)), Self::Header(stack.client(), key.to_owned())]
    }

    fn call(&self, method: Method, path: &str) -> tests::client::Call {
        match self {
            Self::Bearer(client) => client.call(method, path),
            Self::Header(client, key) => client.call(method, path).header("x-api-key", key),
        }
    }

    async fn get(&self, path: &str) -> u16 {
        self.call(Method::GET, path).send().await.status
    }
}

async fn a_key_does_what_its_scope_says_and_no_more(backend: Backend) {
    let stack = Stack::start(backend).await;
    let ann = stack.register("ann").await;
    let (account, other) = (stack.account_with(&ann, 1_000).await, ann.client.open("other", "USD").await);
    let (_, reads) = make(&ann, &["accounts:read"]).await;
    let (_, writes) = make(&ann, &["accounts:write"]).await;
    let (_, profile) = make(&ann, &["users:read"]).await;
    let paid = json!(Transfer::usd(&account, &other, 1));
    let mine = format!("/api/v1/accounts/{account}");
    for ((key, accounts, users), pays) in
        [((&reads, 200, 403), 403), ((&writes, 403, 403), 201), ((&profile, 403, 200), 403)]
    {
        for holder in Holder::both(&stack, key) {
            assert_eq!((holder.get(&mine).await, holder.get("/api/v2/users/me").await), (accounts, users));
            let pay = holder.call(Method::POST, "/api/v1/transfers").key(&fresh_key()).json(&paid).send().await;
            assert_eq!(pay.status, pays, "{pay}");
        }
    }
    let refused = stack.client().with_token(&profile).get(&mine).await;
    assert!(refused.must("www-authenticate").contains("error=\"insufficient_scope\", scope=\"accounts:read\""));
    for wrong in [format!("{profile}0"), profile[..profile.len() - 1].to_owned(), "tgk_nonsense".to_owned()] {
        stack.client().with_token(wrong).get("/api/v1/users/me").await.problem(401, "api_key_invalid");
    }
    let seen = ann.client.get("/api/v1/users/me/api-keys").await.expect(200).json();
    assert_eq!(seen["data"].as_array().map(Vec::len), Some(3));
    assert!(!seen.to_string().contains(&reads[13..]));
}

async fn a_stolen_key_is_not_worth_the_account(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, ann) = (stack.administrator().await, stack.register("ann").await);
    for person in [&ann, &root] {
        let (id, key) = make(person, &["users:read", "users:write", "accounts:read", "accounts:write"]).await;
        let thief = stack.client().with_token(key);
        let call = |method, path: &str| thief.call(method, path);
        let new = json!({"current_password": person.password, "new_password": "another horse battery 8 staple"});
        call(Method::PUT, "/api/v1/users/me/password").json(new).send().await.problem(403, "forbidden");
        let elsewhere = json!({"email": "thief@example.com"});
        call(Method::PATCH, "/api/v1/users/me").json(elsewhere).send().await.problem(403, "forbidden");
        call(Method::DELETE, "/api/v1/users/me").send().await.problem(403, "forbidden");
        let another = json!({"name": "mine", "scopes": ["users:read"]});
        call(Method::POST, "/api/v1/users/me/api-keys").json(another).send().await.problem(403, "forbidden");
        let keys = format!("/api/v1/users/me/api-keys/{id}");
        call(Method::DELETE, &keys).send().await.problem(403, "forbidden");
        let roles = format!("/api/v1/users/{}/roles", ann.id);
        call(Method::PUT, &roles).json(json!({"roles": ["admin"]})).send().await.problem(403, "forbidden");
        let role = json!({"name": "mine", "permissions": []});
        call(Method::POST, "/api/v1/roles").json(role).send().await.problem(403, "forbidden");
        assert_eq!(thief.get("/api/v1/users/me").await.status, 200, "the rest it may");
    }
}

async fn a_revoked_key_is_dead_within_a_second(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (root, ann) = (stack.administrator().await, stack.register("ann").await);
    let (id, key) = make(&ann, &["users:read"]).await;
    let (_, second) = make(&ann, &["users:read"]).await;
    let (first, second) = (stack.client().with_token(key), stack.client().with_token(second));
    for client in [&first, &second] {
        drop(client.get("/api/v1/users/me").await.expect(200));
    }
    let dead = async |client: &Client| {
        let refused = async || Some(client.get("/api/v1/users/me").await).filter(|answer| answer.status != 200);
        wait_until("the key is dead", BITES, refused).await.problem(401, "api_key_invalid");
    };
    drop(ann.client.delete(&format!("/api/v1/users/me/api-keys/{id}")).await.expect(204));
    dead(&first).await;
    assert_eq!(second.get("/api/v1/users/me").await.status, 200, "the other lives");
    // Noted once at least, by now or soon.
    wait_until("its use is seen", Duration::from_secs(10), async || {
        let keys = ann.client.get("/api/v1/users/me/api-keys").await.expect(200).json();
        keys["data"][0]["last_used_at"].is_string().then_some(())
    })
    .await;
    drop(root.client.call(Method::POST, &format!("/api/v1/users/{}/disable", ann.id)).send().await.expect(200));
    dead(&second).await;
    drop(root.client.call(Method::POST, &format!("/api/v1/users/{}/enable", ann.id)).send().await.expect(200));
    let lives = async || (second.get("/api/v1/users/me").await.status == 200).then_some(());
    wait_until("it lives again", Duration::from_secs(10), lives).await;
}

async fn a_custom_role_opens_what_it_says_until_it_is_taken_away(backend: Backend) {
    const EVENTS: &str = "/api/v1/audit/events?limit=1";
    let stack = Stack::start(backend).await;
    let (root, ann) = (stack.administrator().await, stack.register("ann").await);
    ann.client.get(EVENTS).await.problem(403, "forbidden");
    let role = json!({"name": "auditor", "permissions": ["audit:read", "accounts:read"]});
    drop(root.client.post("/api/v1/roles", role).await.expect(201));
    let roles = format!("/api/v2/users/{}/roles", ann.id);
    let given = root.client.put(&roles, json!({"roles": ["user", "auditor"]})).await.expect(200);
    assert_eq!(given.json()["roles"], json!(["user", "auditor"]));
    let ann = ann.again().await;
    let (_, key) = make(&ann, &["users:read"]).await;
    let (_, narrow) = make(&ann, &["accounts:read"]).await;
    let (by_key, narrow) = (stack.client().with_token(key), stack.client().with_token(narrow));
    drop(ann.client.get(EVENTS).await.expect(200));
    drop(by_key.get(EVENTS).await.expect(200));
    narrow.get(EVENTS).await.problem(403, "forbidden");
    // The ledger knows it too: everybody's accounts, and nothing but reading.
    let account = stack.account_with(&root, 1_000).await;
    drop(ann.client.get(&format!("/api/v1/accounts/{account}")).await.expect(200));
    let freeze = ann.client.call(Method::POST, &format!("/api/v1/accounts/{account}/freeze"));
    freeze.send().await.problem(403, "forbidden");

    drop(root.client.patch("/api/v1/roles/auditor", json!({"permissions": ["accounts:read"]})).await.expect(200));
    for client in [&ann.client, &by_key] {
        let refused = async || Some(client.get(EVENTS).await).filter(|answer| answer.status != 200);
        wait_until("the permission is gone", BITES, refused).await.problem(403, "forbidden");
    }
    drop(ann.client.get(&format!("/api/v1/accounts/{account}")).await.expect(200));
    drop(root.client.put(&roles, json!({"roles": ["user"]})).await.expect(200));
    let path = format!("/api/v1/accounts/{account}");
    let refused = async || Some(ann.client.get(&path).await).filter(|answer| answer.status != 200);
    wait_until("the role is gone", BITES, refused).await.problem(404, "not_found");
}
