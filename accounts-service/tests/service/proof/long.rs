//! A long ledger is looked at in the memory of a short one.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use accounts_service::db::entity::transfer;
use accounts_service::db::{Backend, Database};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};
use sha2::{Digest, Sha256};
use shared::clock::Clock;

use super::world::{QUIET, bytes, verify};
use crate::chain::leaf;
use crate::client::user;
use crate::stack::{Stack, Which, on_database};
use crate::statements::resident;

/// Transfers of a batch, and batches: 200,000 entries.
pub const EACH: i64 = 1_000;
const BATCHES: i64 = 100;

/// Of some 60 MB of rows.
pub const MORE: u64 = 24 * 1024 * 1024;

/// Writes batches past the engine, whose own speed is not the matter here, with the chain that follows from them.
pub async fn write(url: &str, batches: i64, metadata: &str) {
    let db = Database::connect(url, 1).await.unwrap();
    let backend = db.pool.get_database_backend();
    let run = async |sql: String| {
        db.pool.execute_raw(Statement::from_string(backend, sql)).await.unwrap();
    };
    let (numbers, uuid) = match db.backend {
        Backend::Postgres(_) => (format!("SELECT n FROM generate_series(1, {EACH}) AS n"), "gen_random_uuid()"),
        Backend::Sqlite(_) => (
            format!(
                "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {EACH}) SELECT n FROM s"
            ),
            "randomblob(16)",
        ),
    };
    let text = "'Number ' || s.n || ' of many, with a description of some length, as people write them to one another'";
    // The two accounts of the one transfer that there is.
    let sides =
        "(SELECT debit_account_id AS debit, credit_account_id AS credit FROM transfers ORDER BY position LIMIT 1)";
    for _ in 0..batches {
        run(format!(
            "INSERT INTO transfers (position, id, debit_account_id, credit_account_id, amount, currency, status, \
             description, metadata, posted_at, created_at, created_by) SELECT h.position + s.n, {uuid}, a.debit, a.credit, 1, 'USD', \
             'posted', {text}, {metadata}, h.committed_at + 1, h.committed_at + 1, a.debit FROM ledger_head h, {sides} AS a, ({numbers}) AS s"
        ))
        .await;
        for (side, amount) in [("debit", -1), ("credit", 1)] {
            run(format!(
                "INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) \
                 SELECT a.id, a.seq + t.position - h.position, t.position, t.id, {amount}, \
                 a.balance + ({amount}) * (t.position - h.position), t.posted_at FROM ledger_head h \
                 JOIN transfers t ON t.position > h.position JOIN accounts a ON a.id = t.{side}_account_id"
            ))
            .await;
            run(format!(
                "UPDATE accounts SET balance = balance + ({amount}) * {EACH}, seq = seq + {EACH} \
                 WHERE id = (SELECT {side} FROM {sides} AS a)"
            ))
            .await;
        }
        run("INSERT INTO outbox_events (position, id, kind, subject, recorded_at) \
             SELECT t.position, t.id, 'transfer.posted', t.id, t.created_at FROM ledger_head h \
             JOIN transfers t ON t.position > h.position"
            .to_owned())
        .await;
        run(link(&db, url).await).await;
    }
    db.pool.close().await.unwrap();
}

/// The statements that end a batch; the head moves with it.
async fn link(db: &Database, url: &str) -> String {
    let head = accounts_service::db::entity::ledger_head::Entity::find().one(&db.pool).await.unwrap().unwrap();
    let rows = transfer::Entity::find()
        .filter(transfer::Column::Position.gt(head.position))
        .order_by_asc(transfer::Column::Position)
        .all(&db.pool)
        .await
        .unwrap();
    let mut content = Sha256::new_with_prefix("tollgate batch 2");
    content.update(u32::try_from(rows.len()).unwrap().to_be_bytes());
    rows.iter().for_each(|row| content.update(leaf(row)));
    let content: [u8; 32] = content.finalize().into();
    let (number, first, at) = (head.batch_no + 1, head.position + 1, head.committed_at + 1);
    let mut hash = Sha256::new_with_prefix(&head.hash);
    [number, first, at].iter().for_each(|number| hash.update(number.to_be_bytes()));
    hash.update(content);
    let (content, hash) = (bytes(url, &content), bytes(url, &hash.finalize()));
    let last = head.position + EACH;
    let batch = format!(
        "INSERT INTO ledger_batches (batch_no, first_position, last_position, posted_at, content, hash, format) \
         VALUES ({number}, {first}, {last}, {at}, {content}, {hash}, 2)"
    );
    db.pool.execute_unprepared(&batch).await.unwrap();
    format!("UPDATE ledger_head SET batch_no = {number}, position = {last}, committed_at = {at}, hash = {hash}")
}

/// The most memory that was taken while something was done.
pub async fn most<T>(work: impl Future<Output = T>) -> (u64, T) {
    let done = AtomicBool::new(false);
    let watch = async {
        let (mut most, mut ticks) = (0, tokio::time::interval(Duration::from_millis(2)));
        while !done.load(Ordering::Relaxed) {
            ticks.tick().await;
            most = most.max(resident());
        }
        most
    };
    let work = async {
        let result = work.await;
        done.store(true, Ordering::Relaxed);
        result
    };
    futures_util::future::join(watch, work).await
}

#[test]
fn it_takes_no_more_memory_than_a_short_one() {
    for which in [Which::Sqlite, Which::Postgres] {
        on_database(which, async |url| {
            let stack = Stack::start_by(url.clone(), Clock::system(), &QUIET).await;
            stack.client.funded(&user(), 1).await;
            stack.stop().await;
            write(&url, 5, "NULL").await;
            // Whatever is allocated once is there after this.
            assert!(verify(&url).await.is_sound());
            write(&url, BATCHES - 5, "NULL").await;
            let before = resident();
            let (most, report) = most(verify(&url)).await;
            assert!(report.is_sound(), "{}", report.text());
            assert_eq!(report.transfers, u64::try_from(EACH * BATCHES + 1).unwrap());
            assert!(most < before + MORE, "{} more", most - before);
        });
    }
}
