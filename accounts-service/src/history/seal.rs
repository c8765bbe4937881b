//! Sealing an instant: from then on no batch can post at it or before, so what had posted by it is settled.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::db::Database;

/// A seal is a commit under the chain head's lock, for which transfers wait: whoever asks within this time of the last
/// one shares the next.
const APART: Duration = Duration::from_millis(10);

/// Only forward, and only where nothing has posted or been sealed beyond. It waits for a batch that holds the head, and
/// looks at what that leaves.
const SEAL: &str = "UPDATE ledger_head SET committed_at = $1 WHERE id = 1 AND committed_at < $1";

/// The same within a transaction, which has the chain head's lock from then on: it comes last there.
pub(crate) async fn seal_within(tx: &DatabaseTransaction, at: i64) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), SEAL, [at.into()])).await.map(drop)
}

/// The seals of one process.
#[derive(Debug, Default)]
pub(super) struct Sealer {
    /// The newest instant that anybody has asked for.
    wanted: AtomicI64,
    /// How many seals there were.
    seals: AtomicU64,
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    instant: i64,
    ended: Instant,
}

impl Sealer {
    /// How many there were: to be asked before one looks whether an instant is sealed.
    pub(super) fn so_far(&self) -> u64 {
        self.seals.load(Ordering::SeqCst)
    }

    /// Seals `at`, or finds that one of those after the first `seen` has.
    pub(super) async fn seal(&self, db: &Database, seen: u64, at: i64) -> Result<(), DbErr> {
        self.wanted.fetch_max(at, Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some(last) = &*last {
            if self.so_far() > seen && last.instant >= at {
                return Ok(());
            }
            tokio::time::sleep_until(last.ended + APART).await;
        }
        let instant = self.wanted.load(Ordering::SeqCst);
        let statement = Statement::from_sql_and_values(db.pool.get_database_backend(), SEAL, [instant.into()]);
        db.pool.execute_raw(statement).await?;
        self.seals.fetch_add(1, Ordering::SeqCst);
        *last = Some(Last { instant, ended: Instant::now() });
        Ok(())
    }
}
