//! Redis killed under load: calls go on, nothing answers 500, and the gateway says that it counts alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use shared::clock::Clock;
use shared::store::{RevocationList, Stores, Verdict};
use tests::backends::{Ground, Redis};
use tests::client::{PASSWORD, Transfer, fresh_key};
use tests::faults::{Fault, Proxy};
use tests::{Backend, Stack, wait_until};

use crate::limits::limited;

const LIMIT: Duration = Duration::from_secs(20);
const DEGRADED: &str = "tollgate_gateway_rate_limit_degraded_total";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load() {
    let mut ground = Ground::lay(Backend::Real).await.expect("a back-end");
    if let Some(shared) = ground.redis.replace(Redis::own().await.expect("a redis-server")) {
        shared.release().await.expect("the lease is given back");
    }
    let mut stack = limited(Backend::Real, "none", 0).start_on(ground).await;
    let ann = stack.register("ann").await;
    let (from, to) = (stack.account_with(&ann, 1_000_000).await, stack.account_with(&ann, 0).await);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (client, transfer, stop) = (ann.client.clone(), Transfer::usd(&from, &to, 1), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut paid = 0_i64;
                while !stop.load(Ordering::SeqCst) {
                    let answer = client.transfer(&fresh_key(), &transfer).await;
                    assert_eq!(answer.status, 201, "without Redis a transfer is still a transfer: {answer}");
                    paid += 1;
                }
                paid
            })
        })
        .collect();

    let balance = async |at_least: i64| (ann.client.balance(&to).await >= at_least).then_some(());
    wait_until("the load runs", LIMIT, async || balance(50).await).await;
    stack.redis().kill().expect("our own server");
    wait_until("the gateway says it counts alone", LIMIT, async || {
        stack.metric(DEGRADED).await.filter(|count| *count > 0.0)
    })
    .await;
    let after = ann.client.balance(&to).await;
    wait_until("the load goes on", LIMIT, async || balance(after + 50).await).await;
    drop(ann.client.password_grant(&ann.email, PASSWORD).await.expect(200));
    assert_eq!(stack.operator().get("/livez").await.status, 200);

    stack.redis().revive().await.expect("our own server");
    wait_until("the counters are shared again", LIMIT, async || {
        let before = stack.metric(DEGRADED).await;
        for _ in 0..5 {
            drop(ann.client.get("/api/v1/users/me").await.expect(200));
        }
        (stack.metric(DEGRADED).await == before).then_some(())
    })
    .await;
    stop.store(true, Ordering::SeqCst);
    let mut paid = 0;
    for client in clients {
        paid += client.await.expect("every answer was a 201");
    }
    assert_eq!(ann.client.balance(&to).await, paid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_redis_costs_no_request() {
    let proxy = Proxy::listen().await.expect("a port");
    let stack = limited(Backend::Real, "none", 0).redis_behind(&proxy).start().await;
    let ann = stack.register("ann").await;
    proxy.set(Fault::Hang);
    for _ in 0..10 {
        drop(ann.client.get("/api/v1/users/me").await.expect(200));
    }
    assert!(stack.metric(DEGRADED).await > Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_meanwhile_is_learnt_afterwards() {
    let proxy = Proxy::listen().await.expect("a port");
    let stack = Stack::builder(Backend::Real).redis_behind(&proxy).start().await;
    let (root, ann) = (stack.administrator().await, stack.register("ann").await);
    drop(ann.client.get("/api/v1/users/me").await.expect(200));
    proxy.set(Fault::Cut);
    let disabled = root.client.post(&format!("/api/v1/users/{}/disable", ann.id), serde_json::json!({})).await;
    assert!(disabled.status < 300, "{disabled}");
    proxy.set(Fault::None);
    wait_until("the token ends", LIMIT, async || {
        (ann.client.get("/api/v1/users/me").await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watermarks_are_back_after_redis_was_gone() {
    let mut ground = Ground::lay(Backend::Real).await.expect("a back-end");
    if let Some(shared) = ground.redis.replace(Redis::own().await.expect("a redis-server")) {
        shared.release().await.expect("the lease is given back");
    }
    let mut stack = Stack::builder(Backend::Real).start_on(ground).await;
    let (root, ann) = (stack.administrator().await, stack.register("ann").await);
    let disabled = root.client.post(&format!("/api/v1/users/{}/disable", ann.id), serde_json::json!({})).await;
    assert!(disabled.status < 300, "{disabled}");
    let refused = async || (ann.client.get("/api/v1/users/me").await.status == 401).then_some(());
    wait_until("the token ends", LIMIT, refused).await;

    stack.redis().kill().expect("our own server");
    stack.redis().revive().await.expect("our own server");
    // What a gateway does that starts now, and knows only what this Redis holds, which has lost everything.
    let clock = Clock::system();
    let stores = Stores::redis(&stack.redis().url, clock.clone()).await.expect("it answers");
    let list = Arc::new(RevocationList::new(clock));
    let _follower = stores.revocations.follow(Arc::clone(&list));
    let user = ann.id.parse().expect("an id");
    wait_until("the watermark is told again", LIMIT, async || {
        (list.check(user, None, 1) == Verdict::Revoked).then_some(())
    })
    .await;
    assert_eq!(ann.client.get("/api/v1/users/me").await.status, 401, "nobody has forgotten it meanwhile");
}
