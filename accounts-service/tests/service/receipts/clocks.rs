//! Clocks that differ, and orders that take their time: nothing that was signed in good faith is lost by them, and somebody
//! always signs.

use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::db::entity::receipt_key;
use accounts_service::receipts::{KeyOrder, KeySet, check, obey};
use futures_util::future::join;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IntoActiveModel, Statement};
use shared::clock::Clock;
use time::OffsetDateTime;
use time::macros::datetime;

use super::rotation::{config, until};
use super::{paid, published, receipt, said};
use crate::client::treasurer;
use crate::stack::{Stack, Which, on_database};

/// What the tests' clocks begin with.
const START: OffsetDateTime = datetime!(2026-11-22 10:00:10.3 UTC);

/// Keys as soon known as can be.
const SOON: [(&str, &str); 1] = [("RECEIPTS__RELOAD", "50ms")];

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

/// How many keys can still sign.
async fn kept(db: &Database) -> usize {
    let rows = receipt_key::Entity::find().all(&db.pool).await.unwrap();
    rows.iter().filter(|row| row.private_key.is_some()).count()
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
        let waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1818718827 \
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

#[test]
fn on_sqlite_a_revocation_by_a_slow_clock_leaves_a_key_that_signs() {
    on_database(Which::Sqlite, revoked_by_a_slow_clock);
}

#[test]
fn on_postgres_a_revocation_by_a_slow_clock_leaves_a_key_that_signs() {
    on_database(Which::Postgres, revoked_by_a_slow_clock);
}

async fn revoked_by_a_slow_clock(url: String) {
    let start = Clock::system().now() - Duration::from_secs(3_600);
    let (clock, slow) = (Clock::manual(start), Clock::manual(start));
    let stack = Stack::start_by(url.clone(), clock.clone(), &SOON).await;
    let who = treasurer();
    let (bank, to) = sides(&stack, &who).await;
    let second = order(&url, &clock, KeyOrder::Rotate { force: false }).await.keys[0].kid.clone();
    clock.advance(Duration::from_secs(26 * 60));
    let db = Database::connect(&url, 1).await.unwrap();
    until("the first key is not erased", async || kept(&db).await == 1).await;
    // By this clock that key has yet to sign.
    order(&url, &slow, KeyOrder::Revoke { kid: second, since: None }).await;
    let paid = paid(&stack.client, &who, (&bank, &to), "1").await.expect(201);
    said(&receipt(&paid), &published(&stack.client).await);
    db.pool.close().await.unwrap();
    stack.stop().await;
}

#[test]
fn on_sqlite_a_fast_clock_erases_no_key_that_others_sign_with() {
    on_database(Which::Sqlite, fast);
}

#[test]
fn on_postgres_a_fast_clock_erases_no_key_that_others_sign_with() {
    on_database(Which::Postgres, fast);
}

async fn fast(url: String) {
    let stack = Stack::start(url.clone()).await;
    let who = treasurer();
    let (bank, to) = sides(&stack, &who).await;
    let first = order(&url, &Clock::system(), KeyOrder::Show).await.keys[0].kid.clone();
    order(&url, &Clock::system(), KeyOrder::Rotate { force: false }).await;
    // The first key has ended by this clock, and more than ten minutes ago.
    let fast = Clock::manual(Clock::system().now() + Duration::from_secs(26 * 60));
    let fast = Stack::start_by(url.clone(), fast, &SOON).await;
    // It has looked after the keys when it has looked for them twice: each of two that come shows a look, and what the first
    // look found is dealt with before the second.
    let db = Database::connect(&url, 1).await.unwrap();
    let row = receipt_key::Entity::find_by_id(&first).one(&db.pool).await.unwrap().unwrap();
    for (kid, keys) in [(1, 3), (2, 4)] {
        let over = receipt_key::Model {
            kid: kid.to_string(),
            public_key: vec![kid; 32],
            private_key: None,
            retired_at: Some(0),
            ..row.clone()
        };
        let over = receipt_key::Model { signs_from: 0, created_at: 0, ..over };
        over.into_active_model().reset_all().insert(&db.pool).await.unwrap();
        until("it does not look", async || published(&fast.client).await.keys.len() == keys).await;
    }
    assert_eq!(kept(&db).await, 2);
    let paid = paid(&stack.client, &who, (&bank, &to), "1").await.expect(201);
    let keys = published(&stack.client).await;
    let by_first = KeySet { keys: keys.keys.into_iter().filter(|key| key.kid == first).collect() };
    assert!(check(&receipt(&paid), &by_first, None).is_ok());
    db.pool.close().await.unwrap();
    fast.stop().await;
    stack.stop().await;
}
