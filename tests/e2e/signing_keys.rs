//! Signing keys change under a stream of requests and nobody notices; a revoked one is dead within a second.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tests::client::{Client, Person};
use tests::stack::{Builder, Service};
use tests::{Backend, Stack, wait_until};

journeys!(rotations_under_load_fail_no_request, a_revoked_key_is_dead_within_a_second, every_algorithm_opens_the_door);

const ME: &str = "/api/v1/users/me";
/// The contract's "within 1 s".
const BITES: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(20);
const ROTATIONS: usize = 4;
const CALLERS: usize = 3;

/// Rotations in half a second instead of a quarter of an hour. The gateway never fetches for a key that it does not know:
/// that it was published early enough has to do.
fn quick(backend: Backend) -> Builder {
    Stack::builder(backend)
        .set(Service::Users, "keys.reload", "50ms")
        .set(Service::Users, "keys.gateway_refresh", "100ms")
        .set(Service::Users, "keys.publish_before", "500ms")
        .set(Service::Users, "tokens.jwks_max_age", "0s")
        .set(Service::Gateway, "authentication.refresh", "100ms")
        .set(Service::Gateway, "authentication.cool_down", "1h")
}

/// The header of a token.
fn header(token: &str) -> Value {
    let header = token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok()).expect("base64url");
    serde_json::from_slice(&header).expect("JSON")
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().expect("a name").to_owned()
}

/// The published keys' names. None of them shows more than it may.
async fn published(client: &Client) -> Vec<String> {
    let set = client.get("/.well-known/jwks.json").await.expect(200).json();
    let keys = set["keys"].as_array().expect("a list");
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert!(keys.iter().all(|key| key.get(private).is_none()), "{set}");
    }
    keys.iter().map(|key| key["kid"].as_str().expect("a name").to_owned()).collect()
}

/// Refreshes and calls until told to stop: the keys that signed, and whatever was not 200.
async fn caller(person: Person, stop: Arc<AtomicBool>) -> (HashSet<String>, Vec<String>) {
    let (mut seen, mut failures, mut refresh_token) = (HashSet::new(), Vec::new(), person.refresh_token.clone());
    while !stop.load(Ordering::Relaxed) {
        let tokens = person.client.refresh_grant(&refresh_token).await;
        if tokens.status != 200 {
            failures.push(tokens.to_string());
            break;
        }
        refresh_token = tokens.text("/refresh_token");
        let token = tokens.text("/access_token");
        seen.insert(kid(&token));
        let client = person.client.with_token(token);
        for client in [&client, &client, &person.client] {
            let answer = client.get(ME).await;
            if answer.status != 200 {
                failures.push(answer.to_string());
            }
        }
    }
    (seen, failures)
}

async fn rotations_under_load_fail_no_request(backend: Backend) {
    let stack = quick(backend).start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(tokio::spawn(caller(stack.register("ada").await, Arc::clone(&stop))));
    }
    let mut first = published(&stack.client()).await;
    for _ in 0..ROTATIONS {
        let rotated = async || {
            let (done, said) = stack.order_users(&["rotate-keys"]).await;
            assert!(done || said.contains("published only just now"), "{said}");
            done.then_some(())
        };
        wait_until("the next key is ripe", PATIENCE, rotated).await;
        let known = async || Some(published(&stack.client()).await).filter(|kids| kids.first() == first.get(1));
        first = wait_until("the next key signs", PATIENCE, known).await;
        let used = async || {
            let tokens = stack.client().password_grant("root@example.com", "first administrator 1").await.expect(200);
            Some(tokens.text("/access_token")).filter(|token| first.first() == Some(&kid(token)))
        };
        let token = wait_until("it has signed", PATIENCE, used).await;
        drop(stack.client().with_token(token).get(ME).await.expect(200));
    }
    stop.store(true, Ordering::Relaxed);
    let mut keys = HashSet::new();
    for caller in callers {
        let (seen, failures) = caller.await.expect("it does not panic");
        assert!(failures.is_empty(), "{failures:?}");
        keys.extend(seen);
    }
    assert!(keys.len() > ROTATIONS, "{keys:?} have signed");
}

async fn a_revoked_key_is_dead_within_a_second(backend: Backend) {
    // As long as by default: nothing but the word that is sent round ends the key at the gateway.
    let stack = quick(backend)
        .set(Service::Gateway, "authentication.refresh", "5m")
        .set(Service::Gateway, "authentication.cool_down", "50ms")
        .start()
        .await;
    let ann = stack.register("ann").await;
    let shown = stack.client().refresh_grant(&ann.refresh_token).await.expect(200);
    let unseen = ann.again().await;
    let client = stack.client().with_token(shown.text("/access_token"));
    drop(client.get(ME).await.expect(200));
    let stolen = kid(&shown.text("/access_token"));

    let (done, said) = stack.order_users(&["rotate-keys", "--revoke", &stolen]).await;
    assert!(done, "{said}");
    let refused = async || Some(client.get(ME).await).filter(|answer| answer.status != 200);
    wait_until("a token that was seen is refused", BITES, refused).await.problem(401, "token_invalid");
    unseen.client.get(ME).await.problem(401, "token_invalid");
    let gone = async || (!published(&stack.client()).await.contains(&stolen)).then_some(());
    wait_until("the key is not published", BITES, gone).await;

    let renewed = stack.client().refresh_grant(&shown.text("/refresh_token")).await.expect(200);
    assert_ne!(kid(&renewed.text("/access_token")), stolen);
    let client = stack.client().with_token(renewed.text("/access_token"));
    assert_eq!(client.get(ME).await.status, 200, "the session goes on under the next key");
    let (done, said) = stack.order_users(&["rotate-keys", "--revoke", &stolen]).await;
    assert!(!done && said.contains("already"), "{said}");
    let (done, said) = stack.order_users(&["keys"]).await;
    assert!(done && said.lines().any(|line| line.starts_with("revoked") && line.contains(&stolen)), "{said}");
}

async fn every_algorithm_opens_the_door(backend: Backend) {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let stack = Stack::builder(backend).set(Service::Users, "tokens.algorithm", algorithm).start().await;
        let ann = stack.register("ann").await;
        let tokens = stack.client().refresh_grant(&ann.refresh_token).await.expect(200);
        let token = tokens.text("/access_token");
        assert_eq!(header(&token)["alg"], algorithm);
        drop(stack.client().with_token(token).get(ME).await.expect(200));
        assert_eq!(published(&stack.client()).await.len(), 4, "one that signs and one that will, of both kinds");
    }
}
