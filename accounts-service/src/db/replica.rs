//! A read replica for lists: asked while it is near enough, and never instead of an answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use sea_orm::{ConnectionTrait, DbErr, SqlxPostgresConnector, Statement};
use shared::clock::Clock;
use sqlx::postgres::PgPoolOptions;

use super::connect::by_index;
use super::{Backend, Database, DatabaseError};

/// Between two looks at how far it is behind.
const EVERY: Duration = Duration::from_secs(1);

/// A replica that does not answer at once is no gain over the primary: to be connected to, and to be looked at.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it may take over a list. One that hangs looks like one that is busy; the primary then has time to answer.
const LIST_PATIENCE: Duration = Duration::from_secs(3);

/// Places of the primary that the replica has not reached yet and that are kept: more than an hour of looks.
const PLACES: usize = 4_096;

/// A standby that replays what the primary commits.
#[derive(Debug)]
pub struct Replica {
    database: Database,
    near: AtomicBool,
    lag: Gauge<f64, AtomicU64>,
    /// The same as `near`, for whoever watches.
    shown: Gauge,
    missed: Counter,
}

/// Where the primary was when, as far as the replica has not got there.
#[derive(Debug, Default)]
struct Trail(VecDeque<(i64, i64)>);

impl Trail {
    /// How long ago, in microseconds, the primary first was beyond where the replica is now; 0 when it never was.
    fn behind(&mut self, now: i64, primary: i64, replica: i64) -> i64 {
        while self.0.front().is_some_and(|(_, place)| *place <= replica) {
            self.0.pop_front();
        }
        let is_news = self.0.back().is_none_or(|(_, place)| *place < primary);
        if primary > replica && is_news && self.0.len() < PLACES {
            self.0.push_back((now, primary));
        }
        self.0.front().map_or(0, |(at, _)| now - at)
    }
}

impl Database {
    /// The same with a replica for lists. It need not be up yet.
    ///
    /// # Errors
    /// When the URL names no PostgreSQL.
    pub fn with_replica(self, url: &str, size: u32, registry: &mut Registry) -> Result<Self, DatabaseError> {
        let backend = Backend::parse(url)?;
        let Backend::Postgres(options) = &backend else {
            return Err(DatabaseError::Url("a replica is a PostgreSQL: begin it with postgres://".to_owned()));
        };
        let pool = PgPoolOptions::new()
            .max_connections(size)
            .test_before_acquire(false)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(by_index(options));
        let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        let replica = Replica {
            database: Self { pool, backend, replica: None },
            near: AtomicBool::new(false),
            lag: Gauge::default(),
            shown: Gauge::default(),
            missed: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("replica");
        registry.register_with_unit(
            "lag",
            "How long it has been behind the primary",
            Unit::Seconds,
            replica.lag.clone(),
        );
        registry.register("near", "Whether lists are read from it", replica.shown.clone());
        registry.register("missed", "Lists that the primary answered in its place", replica.missed.clone());
        Ok(Self { replica: Some(Arc::new(replica)), ..self })
    }

    /// Asks for a list: the replica, if there is one and it is near enough, else the primary. Whatever keeps the replica
    /// from answering, and be it that it lacks what a migration has made, the primary is asked then, and tells the truth.
    ///
    /// # Errors
    /// As `query` ends on the primary.
    pub async fn list<T>(&self, query: impl AsyncFn(&Self) -> Result<T, DbErr>) -> Result<T, DbErr> {
        let Some(replica) = &self.replica else { return query(self).await };
        if replica.near.load(Ordering::Relaxed) {
            match tokio::time::timeout(LIST_PATIENCE, query(&replica.database)).await {
                Ok(Ok(list)) => return Ok(list),
                Ok(Err(error)) => tracing::debug!(%error, "the replica cannot answer"),
                Err(_elapsed) => {
                    // Nobody else waits for it before it has been looked at again.
                    replica.near.store(false, Ordering::Relaxed);
                    tracing::warn!("the replica does not answer");
                }
            }
        }
        replica.missed.inc();
        query(self).await
    }
}

/// Looks how far the replica is behind until dropped, and has it asked only while that is at most `most`.
pub async fn keep_near(db: Database, clock: Clock, most: Duration) {
    let Some(replica) = &db.replica else { return };
    let (steady, mut trail, mut ticks) = (clock.steady(), Trail::default(), tokio::time::interval(EVERY));
    loop {
        ticks.tick().await;
        let near = match (place(&db).await, in_time(place(&replica.database)).await) {
            (Ok(primary), Ok(there)) => {
                let behind = trail.behind(steady.micros(), primary, there);
                let behind = Duration::from_micros(u64::try_from(behind).unwrap_or_default());
                replica.lag.set(behind.as_secs_f64());
                behind <= most
            }
            // Nothing can be said of it while the primary is away; it goes on as it was.
            (Err(_), Ok(_)) => replica.near.load(Ordering::Relaxed),
            (_, Err(error)) => {
                tracing::debug!(%error, "the replica does not answer");
                false
            }
        };
        replica.shown.set(i64::from(near));
        if replica.near.swap(near, Ordering::Relaxed) != near {
            tracing::info!(near, "whether lists are read from the replica has changed");
        }
    }
}

/// What it comes to, or that it took too long.
async fn in_time<T>(look: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let late = |_elapsed| DbErr::Custom("it does not answer in time".to_owned());
    tokio::time::timeout(PATIENCE, look).await.map_err(late)?
}

/// The end of the order of commit, as seen there.
async fn place(db: &Database) -> Result<i64, DbErr> {
    let head = "SELECT position FROM ledger_head WHERE id = 1";
    let row = db.pool.query_one_raw(Statement::from_string(db.pool.get_database_backend(), head)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("ledger_head".to_owned()))?.try_get_by_index(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_as_late_as_the_oldest_place_that_it_has_not_reached() {
        let mut trail = Trail::default();
        assert_eq!(trail.behind(0, 10, 10), 0);
        // An hour without a commit, then one that it has not replayed yet: that is no hour.
        assert_eq!(trail.behind(3_600, 11, 10), 0);
        assert_eq!(trail.behind(3_605, 20, 10), 5);
        assert_eq!(trail.behind(3_606, 20, 11), 1);
        assert_eq!(trail.behind(3_607, 21, 15), 2);
        assert_eq!(trail.behind(3_608, 21, 21), 0);
        // A standby that was promoted or is asked a moment later may be ahead.
        assert_eq!(trail.behind(3_609, 21, 22), 0);
    }
}
