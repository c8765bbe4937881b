//! Clocks that differ, and orders that take their time: nothing that was signed in good faith is lost by them.

use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::receipts::{KeyOrder, KeySet, check, obey};
use futures_util::future::join;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use shared::clock::Clock;
use time::OffsetDateTime;
use time::macros::datetime;

use super::rotation::{config, until};
use super::{paid, receipt, said};
use crate::client::treasurer;
use crate::stack::{Stack, Which, on_database};

/// What the tests' clocks begin with.
const START: OffsetDateTime = datetime!(2026-11-22 10:00:10.3 UTC);

/// What one process at a time holds that changes the keys.
const LOCK: i64 = 0x0074_6f6c_6c67_726b;

/// The set after an order.
async fn order(url: &str, clock: &Clock, order: KeyOrder) -> KeySet {
    serde_json::from_str(&obey(&config(url, &[]), clock, order).await.unwrap()).unwrap()
}

/// The accounts that a treasurer pays from and to.
async fn sides(stack: &Stack, who: &shared::auth::User) -> (String, String) {
    (stack.client.open(who, "system").await, stack.client.open(who, "user").await)
}

#[test]
fn on_sqlite_what_was_signed_by_a_forced_rotation_stays_good() {
    on_database(Which::Sqlite, forced);
}

#[test]
fn on_postgres_what_was_signed_by_a_forced_rotation_stays_good() {
    on_database(Which::Postgres, forced);
}

async fn forced(url: String) {
    // One clock is ahead of that of the order.
    let clocks = [START, START + Duration::from_secs(4)].map(Clock::manual);
    let processes = [
        Stack::start_by(url.clone(), clocks[0].clone(), &[]).await,
        Stack::start_by(url.clone(), clocks[1].clone(), &[]).await,
    ];
    let (mut receipts, who) = (Vec::new(), treasurer());
    let sides = sides(&processes[0], &who).await;
    // Before the order and in its second, after it, and when the other key signs.
    for (round, later) in [400, 100, 11_000, 0].into_iter().enumerate() {
        if round == 1 {
            order(&url, &clocks[0], KeyOrder::Rotate { force: true }).await;
        }
        for (at, process) in processes.iter().enumerate() {
            let key = format!("{at}-{round}");
            let paid = paid(&process.client, &who, (&sides.0, &sides.1), &key).await.expect(201);
            receipts.push(receipt(&paid));
        }
        clocks.iter().for_each(|clock| clock.advance(Duration::from_millis(later)));
    }
    let keys = order(&url, &clocks[0], KeyOrder::Show).await;
    assert_eq!((keys.keys.len(), keys.keys[1].exp), (2, Some(keys.keys[0].nbf)), "{keys:?}");
    receipts.iter().for_each(|receipt| drop(said(receipt, &keys)));
    let is_by_new = |receipt: &String| check(receipt, &KeySet { keys: vec![keys.keys[0].clone()] }, None).is_ok();
    assert_eq!(receipts.iter().map(is_by_new).collect::<Vec<_>>()[4..], [false, false, true, true]);
    for process in processes {
        process.stop().await;
    }
}

#[test]
fn on_postgres_an_order_that_waits_for_another_goes_by_when_its_turn_comes() {
    on_database(Which::Postgres, waited);
}

async fn waited(url: String) {
    let clock = Clock::manual(START);
    let process = Stack::start_by(url.clone(), clock.clone(), &[]).await;
    let who = treasurer();
    let sides = sides(&process, &who).await;
    let db = Database::connect(&url, 2).await.unwrap();
    let other = db.write().await.unwrap();
    other.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await.unwrap();
    let meanwhile = async {
        let waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
                       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let waiting = || Statement::from_string(DatabaseBackend::Postgres, waiting);
        until("it does not wait", async || db.pool.query_one_raw(waiting()).await.unwrap().is_some()).await;
        clock.advance(Duration::from_secs(60));
        let paid = paid(&process.client, &who, (&sides.0, &sides.1), "1").await.expect(201);
        other.rollback().await.unwrap();
        receipt(&paid)
    };
    let (_, receipt) = join(order(&url, &clock, KeyOrder::Rotate { force: true }), meanwhile).await;
    clock.advance(Duration::from_secs(11));
    let keys = order(&url, &clock, KeyOrder::Show).await;
    assert!(keys.keys[1].exp.is_some());
    said(&receipt, &keys);
    db.pool.close().await.unwrap();
    process.stop().await;
}
