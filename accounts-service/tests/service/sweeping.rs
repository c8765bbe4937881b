//! Keys are forgotten when they are past their time, and not before.

use std::rc::Rc;
use std::time::Duration;

use accounts_service::db::Database;
use accounts_service::db::entity::{idempotency_key, transfer_key};
use accounts_service::idempotency::sweep;
use futures_util::future::join;
use sea_orm::ActiveValue::Set;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;
use shared::clock::Clock;
use uuid::Uuid;

use crate::client::user;
use crate::on_both;
use crate::stack::Stack;

const DAY: Duration = Duration::from_secs(24 * 3_600);

on_both!(
    a_key_is_kept_thirty_days_and_a_transfers_for_ever,
    many_keys_go_in_batches_however_many_sweep,
    a_service_sweeps_by_itself,
);

async fn keys(db: &Database) -> u64 {
    idempotency_key::Entity::find().count(&db.pool).await.unwrap()
}

/// Keys that expired an hour ago.
async fn expired(db: &Database, count: u16) {
    let expires_at = Set(Clock::system().now_micros() - 3_600_000_000);
    for chunk in (0..count).collect::<Vec<_>>().chunks(500) {
        let row = |_: &u16| idempotency_key::ActiveModel {
            digest: Set(Uuid::new_v4()),
            fingerprint: Set(Uuid::nil()),
            status: Set(201),
            location: Set(None),
            etag: Set(None),
            body: Set(b"{}".to_vec()),
            expires_at: expires_at.clone(),
        };
        idempotency_key::Entity::insert_many(chunk.iter().map(row)).exec_without_returning(&db.pool).await.unwrap();
    }
}

async fn a_key_is_kept_thirty_days_and_a_transfers_for_ever(stack: Rc<Stack>) {
    let (who, open, key) = (user(), json!({"name": "Savings", "currency": "USD"}), [("idempotency-key", "k")]);
    let clock = Clock::manual(Clock::system().now());
    let post = async || stack.client.post(&who, "/api/v1/accounts", &key, &open).await.expect(201);
    let first = post().await;
    stack.client.funded(&who, 10).await;
    let db = Database::connect(&stack.url, 1).await.unwrap();

    clock.advance(30 * DAY - Duration::from_secs(60));
    assert_eq!(sweep(&db, &clock).await, Ok(0));
    let replay = post().await;
    assert!(replay.replayed() && replay.bytes == first.bytes);
    clock.advance(Duration::from_secs(120));
    assert_eq!(sweep(&db, &clock).await, Ok(1));
    assert_eq!((keys(&db).await, transfer_key::Entity::find().count(&db.pool).await), (0, Ok(1)));
    assert!(!post().await.replayed());
}

async fn many_keys_go_in_batches_however_many_sweep(stack: Rc<Stack>) {
    let who = user();
    let kept = [("idempotency-key", "kept")];
    stack.client.post(&who, "/api/v1/accounts", &kept, &json!({"name": "A", "currency": "USD"})).await.expect(201);
    let (one, other) = join(Database::connect(&stack.url, 2), Database::connect(&stack.url, 2)).await;
    let (one, other) = (one.unwrap(), other.unwrap());
    expired(&one, 1_700).await;
    let clock = Clock::system();
    let (by_one, by_other) = join(sweep(&one, &clock), sweep(&other, &clock)).await;
    // Whoever met only rows that the other holds is done, and the other goes on.
    assert_eq!(by_one.unwrap() + by_other.unwrap(), 1_700);
    assert_eq!(keys(&one).await, 1);
}

async fn a_service_sweeps_by_itself(stack: Rc<Stack>) {
    let db = Database::connect(&stack.url, 1).await.unwrap();
    expired(&db, 3).await;
    let second = Stack::start(stack.url.clone()).await;
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    while keys(&db).await > 0 {
        assert!(tokio::time::Instant::now() < patience, "nobody swept");
    }
    second.stop().await;
}
