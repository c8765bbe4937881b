//! The way within one process: a log of what still matters, and the lists to tell.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::{Revocation, RevocationList};
use crate::clock::{Clock, to_micros};

/// Revocations remembered for lists that come later; the oldest go first.
const MAX_LOG: usize = 1 << 20;
/// The log is swept of what has expired when it has grown to this, and then whenever it has doubled.
const FIRST_SWEEP: usize = 1_024;

/// See [`super::Revocations::Memory`].
#[derive(Clone, Debug)]
pub struct MemoryRevocations(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    state: Mutex<State>,
    epoch: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    log: Vec<Revocation>,
    next_sweep: usize,
    lists: Vec<Weak<RevocationList>>,
}

impl MemoryRevocations {
    pub(super) fn new(clock: Clock) -> Self {
        let state = Mutex::new(State { log: Vec::new(), next_sweep: FIRST_SWEEP, lists: Vec::new() });
        Self(Arc::new(Inner { clock, state, epoch: watch::Sender::new(0) }))
    }

    /// Every followed list knows when this returns.
    pub(super) fn publish(&self, revocation: &Revocation) {
        let mut state = self.0.state.lock();
        state.remember(revocation, self.0.clock.now_micros());
        state.lists.retain(|list| match list.upgrade() {
            Some(list) if list.is_live() => {
                list.apply(revocation);
                true
            }
            Some(_) | None => false,
        });
    }

    /// The lock is held from reading the log to being told, so that nothing falls in between.
    pub(super) fn follow(&self, list: &Arc<RevocationList>) {
        let mut state = self.0.state.lock();
        state.log.iter().for_each(|revocation| list.apply(revocation));
        list.set_live(true);
        state.lists.push(Arc::downgrade(list));
    }

    pub(super) fn epoch(&self) -> watch::Receiver<u64> {
        self.0.epoch.subscribe()
    }
}

impl State {
    fn remember(&mut self, revocation: &Revocation, now: i64) {
        if self.log.len() >= self.next_sweep {
            self.log.retain(|known| to_micros(known.expires_at()) > now);
            if self.log.len() >= MAX_LOG {
                self.log.drain(..MAX_LOG / 2);
            }
            self.next_sweep = (2 * self.log.len()).clamp(FIRST_SWEEP, MAX_LOG);
        }
        self.log.push(revocation.clone());
    }
}
