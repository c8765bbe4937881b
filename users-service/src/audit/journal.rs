//! The way to the chain for what changes nothing else: a bounded queue, and whoever waits is answered after the commit.
//!
//! A failed sign-in has no transaction of its own. One commit each would let a flood of them hold everybody's place at
//! the head of the chain, so they are written together, as many as have come while the last ones were being written.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use shared::auth::Caller;
use shared::clock::Clock;
use shared::problem::{Code, Problem};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::event::{By, Event};
use super::refused::{Refusal, Refused};
use super::scribe::{Entry, Scribe};
use crate::config;
use crate::db::{Database, Fault};

/// A client that finds the queue full comes again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whoever waits for their event to be on disk waits no longer; written it will be all the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// The queue. Clones share it.
#[derive(Clone)]
pub struct Journal {
    queue: mpsc::Sender<Entry>,
    refused: Arc<Refused>,
    closing: Arc<Notify>,
    stuck: watch::Receiver<Option<Fault>>,
    clock: Clock,
    names: hmac::Key,
}

impl Journal {
    /// A queue, and who writes what comes in: to be run as a task. Identifiers are named under `names`.
    #[must_use]
    pub fn open(config: &config::Audit, database: Database, clock: Clock, names: hmac::Key) -> (Self, Scribe) {
        let (queue, entries) = mpsc::channel(config.queue);
        let (refused, closing) = (Arc::new(Refused::default()), Arc::new(Notify::new()));
        let (sticks, stuck) = watch::channel(None);
        let scribe = Scribe::new(
            entries,
            Arc::clone(&refused),
            Arc::clone(&closing),
            sticks,
            database,
            clock.clone(),
            config.window.get(),
        );
        (Self { queue, refused, closing, stuck, clock, names }, scribe)
    }

    /// Takes a place for something that is about to be tried, so that it cannot come out unrecorded.
    ///
    /// # Errors
    /// 503 `overloaded` when there is none; 503 `database_unavailable` while nothing can be written: with a right password
    /// the session could not be either, and what fails before any work tells nothing.
    pub fn attempt(&self, event: Event) -> Result<Attempt, Problem> {
        if let Some(fault) = self.stuck.borrow().clone() {
            return Err(Problem::unavailable(Code::DatabaseUnavailable, fault));
        }
        let place = self.queue.clone().try_reserve_owned();
        let place = place.map_err(|_| Problem::new(Code::Overloaded).retry_after(RETRY_AFTER))?;
        Ok(Attempt { place, event, stuck: self.stuck.clone() })
    }

    /// Counts what is turned away; its window's end writes it.
    pub fn count(&self, refusal: Refusal) {
        self.refused.count(refusal, self.clock.now_micros());
    }

    /// What an identifier is called in events: an HMAC, because people type passwords into that field, and because what
    /// was tried against whom is nobody's to read who has only a copy of the table.
    #[must_use]
    pub fn name(&self, identifier: &str) -> String {
        hex::encode(&hmac::sign(&self.names, identifier.as_bytes()).as_ref()[..16])
    }

    /// Who calls, whoever they are.
    #[must_use]
    pub fn by(&self, caller: Caller) -> By {
        By::caller(caller, |name| self.name(name))
    }

    /// Places taken, for the metrics.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Whether what came last cannot be written, for the metrics.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.stuck.borrow().is_some()
    }

    /// No more comes; what has come is written, and then the task ends.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({} queued)", self.queued())
    }
}

/// Something being tried. Dropped, it has come out otherwise or not at all, and there is nothing to record: whoever hangs
/// up before it is decided learns nothing, and must not be able to write more than can be tried.
#[derive(Debug)]
pub struct Attempt {
    place: mpsc::OwnedPermit<Entry>,
    event: Event,
    stuck: watch::Receiver<Option<Fault>>,
}

impl Attempt {
    /// It came out as the event says; returns when that is on disk. It will be, whether or not anybody waits for it.
    ///
    /// # Errors
    /// When it could not be written by now: nobody should be told what came out before.
    pub async fn record(self) -> Result<(), Fault> {
        let Self { place, event, mut stuck } = self;
        let (written, answer) = oneshot::channel();
        place.send(Entry { event, written: Some(written) });
        let told = async {
            tokio::select! {
                biased;
                told = answer => told.unwrap_or_else(|_| Err(Fault::ending())),
                // What is ahead of it in the queue cannot be written.
                stuck = stuck.wait_for(Option::is_some) => Err(stuck.map_or_else(|_| Fault::ending(), |why| why.clone().unwrap_or_else(Fault::ending))),
            }
        };
        timeout(PATIENCE, told).await.unwrap_or_else(|_| Err(Fault::late()))
    }
}
