//! What only Redis can do: be away, be silent, come back, and come back without its data.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::fixture::{RedisServer, eventually, manual_clock, patient_options};
use super::revocations::{followed, revoked, session};
use crate::clock::Clock;
use crate::store::{Quota, RedisOptions, StoreError, Stores, Take};

const QUOTA: Quota = Quota { limit: 10, window: Duration::from_secs(60), burst: 5 };
const TAKE: Take<'static> = Take { key: "k", quota: QUOTA, cost: 1, shadow: false };
/// What a machine that is busy with other tests may add to a deadline.
const PROMPT: Duration = Duration::from_millis(250);

fn product_deadlines() -> RedisOptions {
    RedisOptions { first_connection: Duration::from_millis(300), ..RedisOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_accepts_and_never_answers_is_an_error_at_once() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept().await.unwrap());
        }
    });
    let stores = Stores::redis_with(&url, Clock::system(), product_deadlines()).await.unwrap();
    for _ in 0..20 {
        let start = Instant::now();
        assert!(stores.counters.take(&[TAKE]).await.is_err() && stores.health().await.is_err());
        assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
    }
    silent.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_costs_a_deadline_and_is_used_again_when_it_thaws() {
    let server = RedisServer::start().await;
    let deadline = Duration::from_millis(200);
    let options = RedisOptions { counters_deadline: deadline, ..patient_options() };
    let stores = Stores::redis_with(&server.url(), Clock::system(), options).await.unwrap();
    eventually("connected", async || stores.counters.take(&[TAKE]).await.is_ok()).await;
    server.freeze();
    let start = Instant::now();
    let error = stores.counters.take(&[TAKE]).await.unwrap_err();
    assert_eq!(error, StoreError::Timeout(deadline));
    assert!(start.elapsed() < deadline + PROMPT, "{:?}", start.elapsed());
    eventually("the silent connection is given up", async || {
        matches!(stores.counters.take(&[TAKE]).await, Err(StoreError::Unavailable(_)))
    })
    .await;
    server.thaw();
    eventually("back", async || stores.counters.take(&[TAKE]).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starting_without_redis_works_and_it_is_used_once_it_is_there() {
    let port = RedisServer::start().await.port();
    let url = format!("redis://127.0.0.1:{port}");
    let options = RedisOptions { first_connection: Duration::from_millis(20), ..patient_options() };
    let stores = Stores::redis_with(&url, manual_clock(), options).await.unwrap();
    assert!(matches!(stores.counters.take(&[TAKE]).await, Err(StoreError::Unavailable(_))));
    let _server = RedisServer::start_on(port).await;
    eventually("counters work", async || stores.counters.take(&[TAKE]).await.is_ok()).await;
    assert_eq!(stores.counters.take(&[TAKE]).await.unwrap()[0].remaining, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_loses_everything_moves_the_epoch_and_followers_resync() {
    let (server, clock) = (RedisServer::start().await, manual_clock());
    let (port, options) = (server.port(), patient_options());
    let stores = Stores::redis_with(&server.url(), clock.clone(), options).await.unwrap();
    let (list, _follower) = followed(&stores, &clock).await;
    let (before, revocation) = session(&clock);
    stores.revocations.publish(&revocation).await.unwrap();
    eventually("the first is known", async || revoked(&list, &clock, before)).await;

    let mut epoch = stores.revocations.epoch();
    epoch.mark_unchanged();
    drop(server);
    eventually("the loss is noticed", async || !list.is_live()).await;
    let (during, lost) = session(&clock);
    assert!(stores.revocations.publish(&lost).await.is_err());
    assert!(revoked(&list, &clock, before), "what is known stays known");

    let _server = RedisServer::start_on(port).await;
    epoch.changed().await.unwrap();
    stores.revocations.publish(&lost).await.unwrap();
    eventually("what was published again is known", async || revoked(&list, &clock, during)).await;
    assert!(stores.counters.take(&[TAKE]).await.unwrap()[0].allowed, "the script is loaded again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_while_a_follower_is_away_reaches_it() {
    let (server, clock) = (RedisServer::start().await, manual_clock());
    let stores = Stores::redis_with(&server.url(), clock.clone(), patient_options()).await.unwrap();
    let (list, _follower) = followed(&stores, &clock).await;
    let (sid, revocation) = session(&clock);
    server.cut_connections().await;
    eventually("published", async || stores.revocations.publish(&revocation).await.is_ok()).await;
    eventually("known", async || revoked(&list, &clock, sid)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_data_moves_the_epoch_without_any_broken_connection() {
    let (server, clock) = (RedisServer::start().await, manual_clock());
    let stores = Stores::redis_with(&server.url(), clock.clone(), patient_options()).await.unwrap();
    let (list, _follower) = followed(&stores, &clock).await;
    let mut epoch = stores.revocations.epoch();
    epoch.mark_unchanged();
    server.flush().await;
    epoch.changed().await.unwrap();
    let (sid, revocation) = session(&clock);
    stores.revocations.publish(&revocation).await.unwrap();
    eventually("known", async || revoked(&list, &clock, sid)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_and_cache_leave_nothing_behind_under_the_servers_own_clock() {
    let server = RedisServer::start().await;
    let stores = Stores::redis_with(&server.url(), Clock::system(), patient_options()).await.unwrap();
    let quick = Quota { limit: 100, window: Duration::from_secs(1), burst: 5 };
    let taken = stores.counters.take(&[Take { key: "k", quota: quick, cost: 5, shadow: false }]).await.unwrap();
    assert_eq!((taken[0].allowed, taken[0].remaining), (true, 0));
    stores.cache.set("k", bytes::Bytes::from_static(b"v"), Duration::from_millis(50)).await.unwrap();
    eventually("only the marker is left", async || server.keys().await == 1).await;
    assert_eq!(stores.counters.peek("k", quick).await.unwrap().unwrap().remaining, 5);
}

/// Connections belong to the runtime that opened the stores, not to the worker that happened to call first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_runtime_that_ends_takes_no_connection_with_it() {
    let server = RedisServer::start().await;
    let stores = Stores::redis_with(&server.url(), manual_clock(), patient_options()).await.unwrap();
    for left in [4, 3] {
        let stores = stores.clone();
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(stores.counters.take(&[TAKE])).unwrap()[0].remaining
        });
        assert_eq!(worker.join().unwrap(), left);
    }
    assert_eq!(stores.counters.take(&[TAKE]).await.unwrap()[0].remaining, 2);
}

#[tokio::test]
async fn an_address_that_is_none_is_said_at_the_start() {
    let refused = Stores::redis("ftp://user:hunter2@nowhere", Clock::system()).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Address(_)) && !refused.to_string().contains("hunter2"));
}
