//! Round trips: the same file from either back-end, the same answers, and everything goes on.

use accounts_service::archive::{ArchiveError, Dry};
use accounts_service::db::Database;
use sea_orm::{ConnectionTrait, Statement};
use shared::clock::Clock;

use super::world::{World, serve, stop};
use super::{WAYS, export, import, migrate};
use crate::stack::{Which, on_database, with_database};

/// The end of the chain, as it is stored.
async fn head(url: &str) -> (i64, i64, Vec<u8>) {
    let db = Database::connect(url, 1).await.unwrap();
    let sql = "SELECT batch_no, position, hash FROM ledger_head";
    let row = db.pool.query_one_raw(Statement::from_string(db.pool.get_database_backend(), sql)).await;
    let row = row.unwrap().unwrap();
    db.pool.close().await.unwrap();
    (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap(), row.try_get_by_index(2).unwrap())
}

/// There and back: the same answers, the same bytes, and what is posted after it is chained to what was before.
async fn moves(one: Which, other: Which) {
    with_database(one, async |url| {
        let clock = Clock::manual(Clock::system().now());
        let stack = serve(&url, &clock).await;
        let world = World::make(&stack, &clock).await;
        let seen = world.seen(&stack).await;
        stop(stack).await;
        let file = export(&url, &clock).await;
        with_database(other, async |there| {
            migrate(&there).await;
            let dry = import(&there, &file, Dry::Run).await.unwrap();
            assert_eq!(import(&there, &file, Dry::No).await.unwrap(), dry, "a dry run leaves it empty");
            assert_eq!((dry.bytes, head(&there).await), (file.len() as u64, head(&url).await));
            assert!(export(&there, &clock).await == file, "what comes out is what went in");
            let again = import(&there, &file, Dry::No).await;
            assert!(matches!(again, Err(ArchiveError::NotEmpty("accounts"))), "{again:?}");

            let stack = serve(&there, &clock).await;
            for ((path, before), (_, now)) in seen.iter().zip(world.seen(&stack).await) {
                assert_eq!(*before, now, "{path}");
            }
            world.goes_on(&stack).await;
            stop(stack).await;
            assert!(head(&there).await.0 > head(&url).await.0);
            let later = export(&there, &clock).await;
            with_database(one, async |back| {
                migrate(&back).await;
                // The chain is followed from its first link: what was posted here is behind what was posted there.
                import(&back, &later, Dry::No).await.unwrap();
                assert!(export(&back, &clock).await == later);
            })
            .await;
        })
        .await;
    })
    .await;
}

#[test]
fn a_ledger_moves_from_sqlite_to_sqlite() {
    on_way(0);
}

#[test]
fn a_ledger_moves_from_sqlite_to_postgres() {
    on_way(1);
}

#[test]
fn a_ledger_moves_from_postgres_to_sqlite() {
    on_way(2);
}

#[test]
fn a_ledger_moves_from_postgres_to_postgres() {
    on_way(3);
}

fn on_way(way: usize) {
    let (one, other) = WAYS[way];
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(moves(one, other));
}

#[test]
fn an_empty_ledger_is_a_ledger_too() {
    for (one, other) in WAYS {
        on_database(one, async |url| {
            migrate(&url).await;
            let clock = Clock::manual(Clock::system().now());
            let file = export(&url, &clock).await;
            with_database(other, async |there| {
                migrate(&there).await;
                assert_eq!(import(&there, &file, Dry::No).await.unwrap().rows, 1);
                assert!(export(&there, &clock).await == file);
                // Nothing has come, so it still is empty.
                import(&there, &file, Dry::No).await.unwrap();
            })
            .await;
        });
    }
}
