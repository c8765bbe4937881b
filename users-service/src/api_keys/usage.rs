//! When a key was last used: noted in memory where it is asked about, written by a task, so that no request waits for it.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::web;
use parking_lot::Mutex;
use shared::domain::ApiKeyId;

use super::store;
use crate::app::App;
use crate::db::Fault;

/// A key's row is written at most so often, in microseconds.
const APART: i64 = 60 * 1_000_000;
/// How often what was noted is written.
const WRITE_EVERY: Duration = Duration::from_secs(2);
/// Keys noted at once; a use beyond it is forgotten, and the key's next one noted.
const MOST: usize = 65_536;
/// Rows written in one transaction, so that no other writer waits long.
const BATCH: usize = 256;

/// Uses that are not written yet.
#[derive(Debug, Default)]
pub struct Usage {
    noted: Mutex<HashMap<ApiKeyId, i64>>,
}

impl Usage {
    /// That a key is used at `now`, whose last use is known to be `last`.
    pub fn note(&self, key: ApiKeyId, last: Option<i64>, now: i64) {
        if last.is_some_and(|last| now.saturating_sub(last) < APART) {
            return;
        }
        let mut noted = self.noted.lock();
        if noted.len() < MOST || noted.contains_key(&key) {
            noted.insert(key, now);
        }
    }

    /// Writes what was noted. What could not be written is noted again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn write(&self, app: &App) -> Result<(), Fault> {
        let mut uses: Vec<(ApiKeyId, i64)> = self.noted.lock().drain().collect();
        // Everybody in one order, so that two instances do not wait for each other.
        uses.sort_unstable();
        let mut rest = uses.as_slice();
        while !rest.is_empty() {
            let (batch, others) = rest.split_at(rest.len().min(BATCH));
            if let Err(fault) = write_all(app, batch).await {
                let mut noted = self.noted.lock();
                for (key, at) in rest {
                    noted.entry(*key).or_insert(*at);
                }
                return Err(fault);
            }
            rest = others;
        }
        Ok(())
    }
}

async fn write_all(app: &App, uses: &[(ApiKeyId, i64)]) -> Result<(), Fault> {
    let write = app.database.write().await?;
    for (key, at) in uses {
        store::used(&write, *key, *at).await?;
    }
    write.commit().await
}

/// Writes until dropped.
pub async fn run(app: web::Data<App>) {
    let mut ticks = tokio::time::interval(WRITE_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = app.usage.write(&app).await {
            tracing::warn!(%error, "when API keys were last used is not written yet");
        }
    }
}
