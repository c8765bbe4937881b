//! Ending the lapsed holds of accounts that nobody touches, so that what is stored does not drift from what is shown.

use std::time::Duration;

use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::Clock;
use shared::problem::Problem;
use uuid::Uuid;

use super::lapse::settle;
use crate::db::entity::{account, hold};
use crate::db::{self, Database};

/// Accounts looked up at once; each is settled in a transaction of its own, which holds up nobody else's.
const BATCH: u64 = 500;

/// Sweeps until dropped, at first at once.
pub async fn keep_sweeping(db: Database, clock: Clock, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        match sweep(&db, &clock).await {
            Ok(accounts) => tracing::debug!(accounts, "settled lapsed holds"),
            Err(error) => tracing::warn!(%error, "settling lapsed holds failed; it will be tried again"),
        }
    }
}

/// Settles every account with holds that have lapsed by now, and says how many. Processes that sweep at once wait for
/// one another's accounts and find nothing left to do on them.
pub async fn sweep(db: &Database, clock: &Clock) -> Result<u64, Problem> {
    let now = clock.now_micros();
    let mut settled = 0;
    loop {
        let due: Vec<Uuid> = hold::Entity::find()
            .select_only()
            .column(hold::Column::DebitAccountId)
            .distinct()
            .filter(hold::Column::State.eq("open"))
            .filter(hold::Column::ExpiresAt.lte(now))
            .order_by_asc(hold::Column::DebitAccountId)
            .limit(BATCH)
            .into_tuple()
            .all(&db.pool)
            .await
            .map_err(db::problem)?;
        let (before, last) = (settled, due.len() < usize::try_from(BATCH).unwrap_or(usize::MAX));
        for id in due {
            let tx = db.write().await.map_err(db::problem)?;
            settled += u64::from(settle_one(&tx, id, now).await?);
            tx.commit().await.map_err(db::problem)?;
        }
        // Another process may have been quicker with every one of them.
        if last || settled == before {
            return Ok(settled);
        }
    }
}

async fn settle_one(tx: &DatabaseTransaction, id: Uuid, now: i64) -> Result<bool, Problem> {
    let row = account::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await.map_err(db::problem)?;
    let Some(row) = row else { return Ok(false) };
    let before = row.version;
    Ok(settle(tx, row, now).await?.version != before)
}
