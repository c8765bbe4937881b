//! Forgetting keys that are past their time. The keys of transfers are in a table of their own and kept for ever.

use std::time::Duration;

use sea_orm::sea_query::{LockBehavior, LockType, Query};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use shared::clock::Clock;

use crate::db::Database;
use crate::db::entity::idempotency_key::{Column, Entity};

/// Keys removed by one statement, which is a transaction of its own: on SQLite nobody posts meanwhile.
const BATCH: u64 = 500;

/// Sweeps until dropped, at first at once.
pub async fn keep_sweeping(db: Database, clock: Clock, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        match sweep(&db, &clock).await {
            Ok(keys) => tracing::debug!(keys, "swept"),
            Err(error) => tracing::warn!(%error, "sweeping failed; it will be tried again"),
        }
    }
}

/// Removes the keys that have expired by now, and says how many. Processes that sweep at once share the work: each
/// skips what another is about to remove, or what a request is about to claim anew.
pub async fn sweep(db: &Database, clock: &Clock) -> Result<u64, DbErr> {
    let now = clock.now_micros();
    let mut removed = 0;
    loop {
        let due = Query::select()
            .column(Column::Digest)
            .from(Entity)
            .and_where(Column::ExpiresAt.lte(now))
            .limit(BATCH)
            // Nothing to SQLite, which has one writer.
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .to_owned();
        let batch = Entity::delete_many().filter(Column::Digest.in_subquery(due)).exec(&db.pool).await?.rows_affected;
        removed += batch;
        if batch < BATCH {
            return Ok(removed);
        }
    }
}
