//! Telling: at once after commit, by a task when that failed or another process died in between, and all over again
//! when the store lost its memory.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Clock;
use shared::store::Stores;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::store::{Stored, live, mark_published, unpublished};
use crate::db::{Database, Fault};

/// How soon what failed is tried again, and how soon is found what a handler left behind whose client hung up between
/// commit and flush, or another instance. Together with the store's own delay it must stay under the contract's second.
const TICK: Duration = Duration::from_millis(400);

/// The way from rows to gateways. Clones share it.
#[derive(Clone, Debug)]
pub struct Relay {
    database: Database,
    stores: Stores,
    clock: Clock,
    bell: Arc<Notify>,
}

/// Why a revocation was not told; for the log.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("database: {0}")]
    Database(#[from] Fault),
    #[error("store: {0}")]
    Store(#[from] shared::store::StoreError),
}

impl Relay {
    /// Between this database and these stores.
    #[must_use]
    pub fn new(database: Database, stores: Stores, clock: Clock) -> Self {
        Self { database, stores, clock, bell: Arc::new(Notify::new()) }
    }

    /// Tells what has just been committed. What cannot be told now, the task tells later: the change itself stands.
    pub async fn flush(&self) {
        if let Err(error) = self.publish_new().await {
            tracing::warn!(%error, "a revocation was not published yet");
            self.bell.notify_one();
        }
    }

    /// Runs until dropped. Begins with everything that still matters: an in-process store starts empty.
    pub async fn run(self) {
        let mut epoch = self.stores.revocations.epoch();
        let mut retell = true;
        loop {
            let told = if retell { self.publish_all().await } else { self.publish_new().await };
            match told {
                Ok(()) => retell = false,
                Err(error) => tracing::debug!(%error, "revocations wait to be published"),
            }
            let woken = async {
                tokio::select! {
                    () = self.bell.notified() => false,
                    Ok(()) = epoch.changed() => true,
                }
            };
            retell |= timeout(TICK, woken).await.unwrap_or(false);
        }
    }

    async fn publish_new(&self) -> Result<(), RelayError> {
        loop {
            let rows = unpublished(self.database.read()).await?;
            if rows.is_empty() {
                return Ok(());
            }
            self.tell(rows).await?;
        }
    }

    async fn publish_all(&self) -> Result<(), RelayError> {
        let mut after = None;
        loop {
            let rows = live(self.database.read(), self.clock.now_micros(), after).await?;
            let Some(last) = rows.last() else { return self.publish_new().await };
            after = Some(last.id);
            self.tell(rows).await?;
        }
    }

    async fn tell(&self, rows: Vec<Stored>) -> Result<(), RelayError> {
        for row in &rows {
            self.stores.revocations.publish(&row.revocation).await?;
        }
        let ids = rows.into_iter().map(|row| row.id).collect();
        mark_published(self.database.read(), ids, self.clock.now_micros()).await?;
        Ok(())
    }
}
