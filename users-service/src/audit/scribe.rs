//! Who writes what the queue holds: all that has come, in one transaction, until it is on disk.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Clock;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::event::Event;
use super::refused::Refused;
use super::store;
use super::tally::Tally;
use crate::db::{Database, Fault};

/// Events in one transaction at most.
const BATCH: usize = 256;

/// Between two tries while the database is gone.
const PAUSE: Duration = Duration::from_millis(250);

/// An event, and who waits for it.
#[derive(Debug)]
pub(super) struct Entry {
    pub event: Event,
    pub written: Option<oneshot::Sender<Result<(), Fault>>>,
}

/// The task behind a [`super::Journal`].
#[derive(Debug)]
pub struct Scribe {
    entries: mpsc::Receiver<Entry>,
    refused: Arc<Refused>,
    closing: Arc<Notify>,
    /// Why the batch cannot be written, while it cannot.
    stuck: watch::Sender<Option<Fault>>,
    database: Database,
    clock: Clock,
    window: Duration,
    /// What has been taken from the queue and is not on disk yet.
    batch: Vec<Entry>,
}

impl Scribe {
    pub(super) const fn new(
        entries: mpsc::Receiver<Entry>,
        refused: Arc<Refused>,
        closing: Arc<Notify>,
        stuck: watch::Sender<Option<Fault>>,
        database: Database,
        clock: Clock,
        window: Duration,
    ) -> Self {
        Self { entries, refused, closing, stuck, database, clock, window, batch: Vec::new() }
    }

    /// Writes until the journal is closed and everything is on disk.
    pub async fn run(mut self) {
        let mut windows = interval(self.window);
        windows.set_missed_tick_behavior(MissedTickBehavior::Delay);
        windows.tick().await;
        loop {
            tokio::select! {
                came = self.entries.recv_many(&mut self.batch, BATCH) => {
                    if came == 0 {
                        break;
                    }
                }
                _ = windows.tick() => self.end_window(),
                () = self.closing.notified() => self.entries.close(),
            }
            self.write().await;
        }
        self.end_window();
        self.write().await;
    }

    fn end_window(&mut self) {
        let entries = self.refused.take(&self.clock).into_iter().map(|event| Entry { event, written: None });
        self.batch.extend(entries);
    }

    /// Does not give up: an event is written, or the process ends. Whoever waits is told of the first failure,
    /// and so is whoever waits behind the batch.
    async fn write(&mut self) {
        let events: Vec<Event> = self.batch.iter().map(|entry| entry.event.clone()).collect();
        let Some(first) = events.first().map(|event| event.id) else { return };
        let mut result = self.try_to(&events).await;
        while let Err(fault) = result {
            tracing::warn!(%fault, events = events.len(), "security events wait to be written");
            for entry in &mut self.batch {
                entry.written.take().into_iter().for_each(|waiting| drop(waiting.send(Err(fault.clone()))));
            }
            self.stuck.send_replace(Some(fault));
            sleep(PAUSE).await;
            // The commit may have come through after all.
            result = match store::has(self.database.read(), first).await {
                Ok(true) => Ok(()),
                Ok(false) => self.try_to(&events).await,
                Err(fault) => Err(fault),
            };
        }
        self.stuck.send_if_modified(|stuck| stuck.take().is_some());
        for entry in self.batch.drain(..) {
            entry.written.into_iter().for_each(|waiting| drop(waiting.send(Ok(()))));
        }
    }

    async fn try_to(&self, events: &[Event]) -> Result<(), Fault> {
        let write = self.database.write().await?;
        events.iter().cloned().for_each(|event| write.audit(event));
        write.commit().await
    }

    fn tally(&self) -> &Tally {
        self.database.tally()
    }
}

impl Drop for Scribe {
    /// What is left when the process may wait no longer.
    fn drop(&mut self) {
        let left = self.batch.len() + std::iter::from_fn(|| self.entries.try_recv().ok()).count();
        let left = left + self.refused.take(&self.clock).len();
        if left > 0 {
            self.tally().lost(left);
            tracing::error!(events = left, "security events were not written before the end");
        }
    }
}
