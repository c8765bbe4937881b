//! On PostgreSQL a round finds entries by where they lie: it reads a stretch's own blocks and not the month, and waits for
//! no vacuum.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use super::long::{EACH, write};
use super::sampled::Look;
use super::world::{Copy, QUIET, make};
use crate::client::user;
use crate::stack::{Stack, Which, on_database};
use shared::clock::Clock;

/// Batches of a ledger whose entries take several times the blocks that one sum is of.
const BATCHES: i64 = 40;

/// The blocks that one sum is of: PostgreSQL's default.
const BLOCKS: i64 = 128;

async fn ledger(url: &str) {
    let stack = Stack::start_by(url.to_owned(), Clock::system(), &QUIET).await;
    stack.client.funded(&user(), 1).await;
    stack.stop().await;
    write(url, BATCHES, "NULL").await;
}

/// Blocks of entries that a search for ten positions in the middle reads, and all that there are.
async fn blocks(db: &mut PgConnection) -> (i64, i64) {
    let month = "SELECT position - n / 2, tableoid::regclass::text FROM transfers, \
                 (SELECT count(*) AS n FROM transfers) AS c ORDER BY position DESC LIMIT 1";
    let row = db.fetch_one(month).await.unwrap();
    let (from, table): (i64, String) = (row.get(0), row.get::<String, _>(1).replace("transfers", "entries"));
    // What costs less on a table of this size is not the matter here.
    db.execute("SET enable_seqscan = off").await.unwrap();
    let explain = format!(
        "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT * FROM entries WHERE position >= {from} AND position < {}",
        from + 10
    );
    let plan = db.fetch_all(AssertSqlSafe(explain)).await.unwrap();
    let line = plan.iter().map(|row| row.get::<String, _>(0)).find(|line| line.contains("lossy=")).unwrap();
    let read = line.split("lossy=").nth(1).unwrap().trim().parse().unwrap();
    let size = format!("SELECT pg_relation_size('{table}') / 8192");
    (read, sqlx::query_scalar(AssertSqlSafe(size)).fetch_one(db).await.unwrap())
}

/// Searches by the sums of entries, of sessions that have ended.
async fn scans(db: &mut PgConnection) -> i64 {
    let sql = "SELECT sum(idx_scan)::bigint FROM pg_stat_user_indexes WHERE indexrelid IN \
               (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'entries_places'::regclass)";
    sqlx::query_scalar(sql).fetch_one(db).await.unwrap()
}

/// Whatever an account is: one that no transfer there names.
#[test]
fn an_entry_of_an_account_that_no_transfer_names_is_found() {
    on_database(Which::Postgres, async |url| {
        make(&url).await;
        let copy = Copy::of(&url).await;
        let astray = "INSERT INTO entries (account_id, seq, position, transfer_id, amount, balance_after, posted_at) \
                      SELECT t.id, 1, t.position, t.id, 1, 1, t.posted_at FROM transfers t WHERE t.external_ref = 'r-1'";
        copy.change(&[astray.to_owned()]).await;
        let look = Look::at(&copy.url).await;
        look.follow().await;
        assert!(look.metric("invariant_violations_total{invariant=\"entry_pairs\"}").unwrap() > 0);
        look.stop().await;
        copy.remove().await;
    });
}

#[test]
fn a_round_readies_the_search_for_what_was_written_before_it() {
    on_database(Which::Postgres, async |url| {
        ledger(&url).await;
        let mut db = PgConnection::connect(&url).await.unwrap();
        let (read, all) = blocks(&mut db).await;
        assert!(all > 5 * BLOCKS, "{all} blocks are too few to tell");
        assert!(read > 5 * BLOCKS, "{read} of {all} blocks were read before anything was summed up");
        let look = Look::by(&url, 10).await;
        assert!(look.round().await);
        let (read, all) = blocks(&mut db).await;
        // Two ranges, and the last one, which is not full yet.
        assert!(read <= 3 * BLOCKS, "{read} of {all} blocks");
        // By sessions that are told to avoid such searches, on a month that nothing has counted yet.
        db.execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        let before = scans(&mut db).await;
        // And it is what it was: the search finds each entry once.
        let whole = Look::by(&url, u32::MAX).await;
        whole.clock.advance(Duration::from_secs(61));
        whole.follow().await;
        assert_eq!(whole.metric("invariant_batch{end=\"reached\"}"), Some(BATCHES + 1));
        let checks = whole.metric("invariant_checks_total{invariant=\"entry_pairs\"}").unwrap();
        assert!(checks >= BATCHES * EACH - 10, "{checks}");
        whole.stop().await;
        look.stop().await;
        let after = scans(&mut db).await;
        assert!(after > before, "the sums were not looked at");
        let found = "SELECT count(*) FROM invariant_violations";
        assert_eq!(sqlx::query_scalar::<_, i64>(found).fetch_one(&mut db).await.unwrap(), 0);
    });
}

/// VACUUM holds the same lock, for as long as it takes; whoever waited for it longer than a second would end it.
#[test]
fn a_round_does_not_wait_for_a_vacuum() {
    on_database(Which::Postgres, async |url| {
        let stack = Stack::start_by(url.clone(), Clock::system(), &QUIET).await;
        stack.client.funded(&user(), 1).await;
        stack.stop().await;
        let mut other = PgConnection::connect(&url).await.unwrap();
        let mut vacuum = other.begin().await.unwrap();
        vacuum.execute("LOCK TABLE entries IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
        let look = Look::at(&url).await;
        let round = tokio::time::timeout(Duration::from_secs(30), look.follow());
        round.await.expect("the round ends while the lock is held");
        vacuum.rollback().await.unwrap();
        look.stop().await;
    });
}
