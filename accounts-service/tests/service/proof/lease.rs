//! Whoever looks has a lease, and ends when it is lost. On PostgreSQL: SQLite has one process.

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};
use tokio::time::timeout;

use super::sampled::{Look, number};
use super::world::{Copy, make};
use crate::stack::{Which, on_database};

/// Sessions of this database that wait for a lock.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";

/// Those whose renewal has no answer yet.
const RENEWING: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND query LIKE 'UPDATE invariant_watch SET leased_until%' AND state = 'active'";

/// Longer than any stall: the sessions here give up after 5 s of waiting for a lock.
const PATIENCE: Duration = Duration::from_secs(60);

async fn until(db: &mut PgConnection, sql: &'static str, wanted: i64) {
    let answered = async {
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *db).await.unwrap() != wanted {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, answered).await.unwrap_or_else(|_| panic!("{sql} was never {wanted}"));
}

/// Three sessions: one that keeps the first part waiting, one that takes the lease, one that looks on.
async fn sessions(url: &str) -> [PgConnection; 3] {
    [
        PgConnection::connect(url).await.unwrap(),
        PgConnection::connect(url).await.unwrap(),
        PgConnection::connect(url).await.unwrap(),
    ]
}

/// Takes the lease away while the first part waits, and lets it go on when that was noticed.
async fn take_away([mut part, mut thief, mut eye]: [PgConnection; 3]) {
    until(&mut eye, WAITING, 1).await;
    thief.execute("BEGIN").await.unwrap();
    thief.execute("UPDATE invariant_watch SET holder = gen_random_uuid()").await.unwrap();
    until(&mut eye, WAITING, 2).await;
    thief.execute("COMMIT").await.unwrap();
    until(&mut eye, RENEWING, 0).await;
    part.execute("COMMIT").await.unwrap();
}

#[test]
fn whoever_loses_the_lease_on_the_way_tells_what_they_found_and_looks_at_nothing_more() {
    on_database(Which::Postgres, async |url| {
        make(&url).await;
        let copy = Copy::of(&url).await;
        // What the first part of the first round finds, and what only the last part of a round does.
        let breaks = [
            "UPDATE transfers SET description = 'x' WHERE position = 2",
            "UPDATE exchange_carries SET grains = grains + 1",
        ];
        copy.change(&breaks.map(str::to_owned)).await;
        let mut look = Look::at(&copy.url).await;
        look.sampler.renewed = Duration::from_millis(5);
        let mut sessions = sessions(&copy.url).await;
        sessions[0].execute("BEGIN; LOCK TABLE transfers").await.unwrap();
        let (looked, ()) = tokio::join!(look.round(), take_away(sessions));
        assert!(looked);
        let found = "SELECT count(*) FROM invariant_violations";
        assert_eq!(number(&look.sampler.db, found).await, 1);
        let kept = "SELECT position + round_at + (SELECT count(*) FROM invariant_parts) FROM invariant_watch";
        assert_eq!(number(&look.sampler.db, kept).await, 0);
        look.stop().await;

        let next = Look::at(&copy.url).await;
        next.clock.advance(Duration::from_secs(61));
        assert!(next.round().await);
        assert_eq!(number(&next.sampler.db, found).await, 2);
        next.stop().await;
        copy.remove().await;
    });
}
