//! Users are kept for whoever looks at them, and nobody reads what was: not through another instance, nor without Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tests::backends::{Ground, Redis};
use tests::client::PASSWORD;
use tests::{Backend, Client, Person, Stack, wait_until};

const LIMIT: Duration = Duration::from_secs(20);
const GRACE: Duration = Duration::from_secs(5);

/// Ground with a Redis that may be killed.
async fn ground() -> Ground {
    let mut ground = Ground::lay(Backend::Real).await.expect("a back-end");
    if let Some(shared) = ground.redis.replace(Redis::own().await.expect("a redis-server")) {
        shared.release().await.expect("the lease is given back");
    }
    ground
}

/// Two stacks with the same users and the same Redis.
async fn two() -> [Stack; 2] {
    let (first, mut second) = (ground().await, ground().await);
    second.users.clone_from(&first.users);
    if let (Some(theirs), Some(ours)) = (&mut second.redis, &first.redis) {
        theirs.url.clone_from(&ours.url);
    }
    let first = Stack::builder(Backend::Real).start_on(first).await;
    [first, Stack::builder(Backend::Real).start_on(second).await]
}

async fn signed_in(stack: &Stack, person: &Person) -> Client {
    let tokens = stack.client().password_grant(&person.email, PASSWORD).await.expect(200);
    stack.client().with_token(tokens.text("/access_token"))
}

async fn name(client: &Client) -> String {
    client.get("/api/v2/users/me").await.expect(200).text("/name")
}

async fn rename(client: &Client, name: &str) {
    drop(client.patch("/api/v1/users/me", json!({"name": name})).await.expect(200));
}

/// How many reads of a user had the cache.
async fn hits(stack: &Stack) -> u64 {
    let scrape = Client::new(stack.users).get("/metrics").await.expect(200);
    let text = String::from_utf8_lossy(&scrape.body).into_owned();
    let line = text.lines().find(|line| line.starts_with("tollgate_users_cache_total{result=\"hit\"}"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_writes_reads_it_back_through_the_other_instance() {
    let stacks = two().await;
    let person = stacks[0].register("ann").await;
    let clients = [signed_in(&stacks[0], &person).await, signed_in(&stacks[1], &person).await];
    rename(&clients[0], "first").await;
    for client in &clients {
        assert_eq!([name(client).await, name(client).await], ["first", "first"]);
    }
    assert!(hits(&stacks[0]).await > 0 && hits(&stacks[1]).await > 0);
    // Whoever reads all the while keeps what they read just before a change.
    let stop = Arc::new(AtomicBool::new(false));
    let readers = clients.clone().map(|client| {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                drop(name(&client).await);
            }
        })
    });
    for round in 0..40 {
        let wanted = format!("name {round}");
        rename(&clients[round % 2], &wanted).await;
        for client in &clients {
            assert_eq!(name(client).await, wanted);
        }
    }
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.expect("every answer was a 200");
    }
    // The first one's databases are the second's too.
    for stack in stacks.into_iter().rev() {
        stack.stop(GRACE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_the_database_is_read_and_what_is_owed_is_paid() {
    let mut stacks = two().await;
    let person = stacks[0].register("ann").await;
    let clients = [signed_in(&stacks[0], &person).await, signed_in(&stacks[1], &person).await];
    rename(&clients[0], "before").await;
    for client in &clients {
        assert_eq!([name(client).await, name(client).await], ["before", "before"]);
    }
    stacks[0].redis().kill().expect("our own server");
    for round in 0..4 {
        let wanted = format!("name {round}");
        rename(&clients[round % 2], &wanted).await;
        for client in &clients {
            assert_eq!(name(client).await, wanted, "without Redis");
        }
    }
    stacks[0].redis().revive().await.expect("our own server");
    let before = hits(&stacks[0]).await;
    wait_until("users are kept again", LIMIT, async || {
        assert_eq!([name(&clients[0]).await, name(&clients[1]).await], ["name 3", "name 3"]);
        (hits(&stacks[0]).await > before).then_some(())
    })
    .await;
    rename(&clients[1], "after").await;
    assert_eq!([name(&clients[0]).await, name(&clients[1]).await], ["after", "after"]);
    // The first one's databases are the second's too.
    for stack in stacks.into_iter().rev() {
        stack.stop(GRACE).await;
    }
}
