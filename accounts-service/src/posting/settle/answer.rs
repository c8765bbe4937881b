//! Telling everybody how it ended.

use std::collections::HashMap;
use std::time::Instant;

use super::Settler;
use crate::posting::command::{Answer, Failure, Unit};
use crate::posting::core::Account;
use crate::posting::metrics::Phase;
use crate::posting::rows::{Committed, Found, Rows};

/// A batch that is through.
pub(super) struct Done {
    pub rows: Rows,
    pub committed: Committed,
    /// Keys that were taken.
    pub taken: Vec<Found>,
}

impl Settler {
    /// A taken key is a replay, unless it was this batch that took it, in an attempt whose reply was lost.
    pub(super) fn answer(&mut self, units: &[Unit], Done { rows, committed, taken }: Done) {
        let began = Instant::now();
        self.settle_state(&committed);
        self.replays.saw(units.len(), taken.len(), began);
        let at = committed.at.unwrap_or_default();
        for key in rows.keys {
            self.running.settle(key.digest, Ok(Answer { outcome: key.outcome, at, replayed: false }));
        }
        for found in self.judge(units, taken) {
            let replayed = !self.doubt.wrote(&found);
            self.running.settle(found.digest, Ok(Answer { outcome: found.outcome, at: found.at, replayed }));
        }
        self.metrics.phase(Phase::Answered, began.elapsed());
        self.metrics.committed(units.len(), self.started.elapsed());
    }

    /// What was folded is now what the database holds.
    fn settle_state(&mut self, committed: &Committed) {
        self.last_at = committed.at.unwrap_or_default().max(self.last_at);
        for moved in &committed.moved {
            if let Some(folded) = self.state.accounts.row(&moved.id).copied() {
                let (balance, held, next_expiry) = (moved.balance, moved.held, moved.next_expiry);
                let now = Account { balance, held, next_expiry, seq: moved.seq, version: moved.version, ..folded };
                self.state.accounts.learn(moved.id, Some(now));
            }
        }
        self.state.settle();
    }

    /// Keys that hold another request are refused here.
    fn judge(&self, units: &[Unit], taken: Vec<Found>) -> Vec<Found> {
        let asked: HashMap<_, _> = units.iter().filter_map(|unit| Some((unit.key?, unit.fingerprint))).collect();
        let (same, other): (Vec<_>, Vec<_>) =
            taken.into_iter().partition(|found| asked.get(&found.digest) == Some(&found.fingerprint));
        other.iter().for_each(|found| self.running.settle(found.digest, Err(Failure::KeyReused)));
        same
    }

    pub(super) fn fail(&mut self, units: &[Unit], failure: Failure) {
        self.metrics.failed(units.len());
        self.forget(units);
        units.iter().filter_map(|unit| unit.key).for_each(|key| self.running.settle(key, Err(failure)));
    }
}
