//! Ending the lapsed holds of accounts that nobody touches, so that what is stored does not drift from what is shown.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use shared::clock::Clock;
use shared::problem::Problem;
use uuid::Uuid;

use super::lapse::{Settled, settle};
use crate::db::entity::{account, hold};
use crate::db::{self, Database};
use crate::posting::outside::LAPSED_AT_ONCE;

/// Accounts looked up at once; each step on one of them is a transaction of its own, which holds up nobody else's.
const BATCH: u64 = 500;

/// Steps on one account before the others have their turn.
const STEPS: usize = 100;

/// Accounts that may fail in one sweep: with more it is not they.
const MOST_FAILING: usize = 100;

/// Sweeps until dropped, at first at once.
pub async fn keep_sweeping(db: Database, clock: Clock, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        match sweep(&db, &clock).await {
            Ok(steps) => tracing::debug!(steps, "settled lapsed holds"),
            Err(error) => tracing::warn!(%error, "settling lapsed holds failed; it will be tried again"),
        }
    }
}

/// Settles every account with holds that have lapsed by now, in bounded steps, and says how many that took. An account
/// that fails stops none behind it. Processes that sweep at once wait for one another's accounts and find nothing left to
/// do on them.
pub async fn sweep(db: &Database, clock: &Clock) -> Result<u64, Problem> {
    let now = clock.now_micros();
    let (mut settled, mut failing) = (0, HashSet::new());
    loop {
        let (before, mut after) = (settled, Uuid::nil());
        loop {
            let due = due(db, after, now).await.map_err(db::problem)?;
            for id in &due {
                if failing.contains(id) {
                    continue;
                }
                match settle_one(db, *id, now).await {
                    Ok(steps) => settled += steps,
                    Err(error) if failing.len() >= MOST_FAILING => return Err(error),
                    Err(error) => {
                        tracing::error!(%error, account = %id, "the lapsed holds of an account cannot be settled");
                        failing.insert(*id);
                    }
                }
            }
            match due.last() {
                Some(last) if due.len() >= usize::try_from(BATCH).unwrap_or(usize::MAX) => after = *last,
                Some(_) | None => break,
            }
        }
        // Another process may have been quicker with every one of them.
        if settled == before {
            return Ok(settled);
        }
    }
}

/// Accounts beyond `after` with holds that have lapsed by `now`, whose rows do not say so.
async fn due(db: &Database, after: Uuid, now: i64) -> Result<Vec<Uuid>, DbErr> {
    hold::Entity::find()
        .select_only()
        .column(hold::Column::DebitAccountId)
        .distinct()
        .filter(hold::Column::State.eq("open"))
        .filter(hold::Column::ExpiresAt.lte(now))
        .filter(hold::Column::DebitAccountId.gt(after))
        .order_by_asc(hold::Column::DebitAccountId)
        .limit(BATCH)
        .into_tuple()
        .all(&db.pool)
        .await
}

/// Takes steps on an account until one ends nothing: how many did.
async fn settle_one(db: &Database, id: Uuid, now: i64) -> Result<u64, Problem> {
    let mut steps = 0;
    for _ in 0..STEPS {
        let tx = db.write().await.map_err(db::problem)?;
        let row = account::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(&tx).await.map_err(db::problem)?;
        let Some(row) = row else { break };
        let before = row.version;
        let Settled { account, ended } = settle(&tx, row, now).await?;
        tx.commit().await.map_err(db::problem)?;
        steps += u64::from(account.version != before);
        if ended < LAPSED_AT_ONCE {
            break;
        }
    }
    Ok(steps)
}
