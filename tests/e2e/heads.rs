//! HEAD works wherever GET does, and answers the same without content (RFC 9110, section 9.3.2).

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tests::client::{Transfer, fresh_key};
use tests::{Backend, Client, Stack, wait_until};

journeys!(a_head_is_answered_wherever_a_get_is);

/// What the gateway answers itself, and pages that no document lists.
const OWN: [&str; 10] = [
    "/livez",
    "/readyz",
    "/openapi.json",
    "/redoc",
    "/docs",
    "/docs/",
    "/docs/problems",
    "/account/reset",
    "/oauth/authorize",
    "/oauth/consent",
];

const OPERATORS: [&str; 8] = [
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/admin/api/upstreams",
    "/admin/api/routes",
    "/admin/api/limits",
    "/admin/api/breakers",
];

async fn a_head_is_answered_wherever_a_get_is(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, operator) = (stack.register("ann").await, stack.operator());
    let (account, other) = (stack.account_with(&ann, 10).await, ann.client.open("other", "USD").await);
    let transfer = ann.client.transfer(&fresh_key(), &Transfer::usd(&account, &other, 1)).await.expect(201).text("/id");
    let mut wrong = Vec::new();
    for version in ["v1", "v2"] {
        for path in listed(&stack, version).await {
            let ids = [("/accounts/", &account), ("/transfers/", &transfer)];
            let id = ids.iter().find(|(place, _)| path.contains(place)).map_or(&ann.id, |(_, id)| *id);
            let part = |part: &str| if part.starts_with('{') { id.clone() } else { part.to_owned() };
            let path = path.replace("/users/{id}", "/users/me").split('/').map(part).collect::<Vec<_>>().join("/");
            wrong.extend(compare(&ann.client, &path).await);
        }
    }
    for path in OWN {
        wrong.extend(compare(&ann.client, path).await);
    }
    for path in OPERATORS {
        wrong.extend(compare(&operator, path).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every path of the merged document that has a GET.
async fn listed(stack: &Stack, version: &str) -> Vec<String> {
    let visitor = stack.client();
    let whole = async || {
        let document = visitor.get(&format!("/openapi.json?version={version}")).await;
        let paths = if document.status == 200 { document.json()["paths"].clone() } else { return None };
        let told = paths.to_string();
        (told.contains("/users/{id}") && told.contains("/transfers")).then_some(paths)
    };
    let paths = wait_until("both services are in the document", Duration::from_secs(10), whole).await;
    let items = paths.as_object().expect("paths").iter();
    items.filter(|(_, item)| item.get("get").is_some_and(Value::is_object)).map(|(path, _)| path.clone()).collect()
}

async fn compare(client: &Client, path: &str) -> Option<String> {
    let ask = async |method| client.call(method, path).send().await;
    let (got, head) = (ask(Method::GET).await, ask(Method::HEAD).await);
    let kind = |answer: &tests::client::Answer| answer.header("content-type").map(str::to_owned);
    let announced = head.header("content-length") != Some("0") || got.body.is_empty();
    let same = announced
        && head.status == got.status
        && head.body.is_empty()
        && kind(&head) == kind(&got)
        && got.status != 405;
    (!same).then(|| format!("{path}: GET {} {:?}, HEAD {} {:?}", got.status, kind(&got), head.status, kind(&head)))
}
