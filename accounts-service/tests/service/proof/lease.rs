//! Whoever looks has a lease, and ends when it is lost. On PostgreSQL: SQLite has one process.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};

use super::sampled::{Look, number};
use super::world::{Copy, make};
use crate::stack::{Which, on_database};

/// Sessions of this database that wait for a lock.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";

/// Those whose renewal has no answer yet.
const RENEWING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND query LIKE 'UPDATE invariant_watch SET leased_until%' AND state = 'active'";

async fn until(db: &mut PgConnection, sql: &'static str, wanted: i64) {
    while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *db).await.unwrap() != wanted {
        tokio::task::yield_now().await;
    }
}

/// Takes the lease away while the first part waits, and lets it go on when that was noticed.
async fn take_away(url: &str, mut part: PgConnection) {
    let (mut thief, mut eye) = (PgConnection::connect(url).await.unwrap(), PgConnection::connect(url).await.unwrap());
    until(&mut eye, WAITING, 1).await;
    thief.execute("BEGIN").await.unwrap();
    thief.execute("UPDATE invariant_watch SET holder = gen_random_uuid()").await.unwrap();
    until(&mut eye, WAITING, 2).await;
    thief.execute("COMMIT").await.unwrap();
    until(&mut eye, RENEWING, 0).await;
    part.execute("COMMIT").await.unwrap();
}

#[test]
fn whoever_loses_the_lease_on_the_way_looks_at_nothing_more() {
    on_database(Which::Postgres, async |url| {
        make(&url).await;
        let copy = Copy::of(&url).await;
        // What only the last part of a round finds.
        copy.change(&["UPDATE exchange_carries SET grains = grains + 1".to_owned()]).await;
        let mut look = Look::at(&copy.url).await;
        look.sampler.renewed = Duration::from_millis(5);
        let mut part = PgConnection::connect(&copy.url).await.unwrap();
        part.execute("BEGIN; LOCK TABLE transfers").await.unwrap();
        let (looked, ()) = tokio::join!(look.round(), take_away(&copy.url, part));
        assert!(looked);
        let found = "SELECT count(*) FROM invariant_violations";
        let kept = "SELECT position + round_at + (SELECT count(*) FROM invariant_parts) FROM invariant_watch";
        for sql in [found, kept] {
            assert_eq!(number(&look.sampler.db, sql).await, 0, "{sql}");
        }
        look.stop().await;

        let next = Look::at(&copy.url).await;
        next.clock.advance(Duration::from_secs(61));
        assert!(next.round().await);
        assert_eq!(number(&next.sampler.db, found).await, 1);
        next.stop().await;
        copy.remove().await;
    });
}
