//! Counters in this process: sharded, bounded, and locked in order.

use std::sync::Arc;

use smallvec::SmallVec;

use super::table::{Print, Prints, Table};
use super::{Decisions, Take};
use crate::clock::{Clock, Steady};
use crate::store::gcra::{Level, Meter};

/// See [`super::Counters::Memory`].
#[derive(Clone, Debug)]
pub struct MemoryCounters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Not the wall clock: one that is set back would lock callers out, one that is set forward would let them all in.
    time: Steady,
    table: Table<Level>,
}

impl MemoryCounters {
    pub(super) fn new(clock: &Clock) -> Self {
        Self::on(Table::new(), clock)
    }

    pub(super) fn on(table: Table<Level>, clock: &Clock) -> Self {
        Self(Arc::new(Inner { time: clock.steady(), table }))
    }

    pub(super) fn take(&self, takes: &[Take<'_>]) -> Decisions {
        let prints: Prints = takes.iter().map(|take| self.0.table.print(take.key)).collect();
        let mut locked = self.0.table.lock(&prints);
        // Read under the locks, so that of two calls the one that decides later does not look back in time.
        let now = self.0.time.micros();
        let plan = |(index, (take, print)): (usize, (&Take<'_>, &Print))| {
            let meter = Meter::of(take.quota);
            let stored = locked.get(*print);
            let need = meter.need(Take::up_to(takes, index));
            Plan { meter, stored, level: meter.settle(stored, now), need, shadow: take.shadow }
        };
        let plans: SmallVec<[Plan; 4]> = takes.iter().zip(&prints).enumerate().map(plan).collect();
        let open = plans.iter().all(|plan| plan.shadow || plan.fits());
        let mut decisions = Decisions::new();
        for (plan, print) in plans.iter().zip(&prints) {
            if open && plan.need > 0 && plan.fits() {
                let level = plan.meter.filled(plan.stored, plan.level, plan.need, now);
                locked.put(*print, level, now);
                decisions.push(plan.meter.decision(level.amount, None));
            } else {
                decisions.push(plan.meter.decision(plan.level, (!plan.fits()).then_some(plan.need)));
            }
        }
        decisions
    }

    pub(super) fn reset(&self, key: &str) {
        let print = self.0.table.print(key);
        self.0.table.lock(&[print]).remove(print);
    }

    pub(super) fn len(&self) -> usize {
        self.0.table.len()
    }
}

/// What one take would do.
struct Plan {
    meter: Meter,
    stored: Option<Level>,
    level: u64,
    need: u64,
    shadow: bool,
}

impl Plan {
    fn fits(&self) -> bool {
        self.meter.fits(self.level, self.need)
    }
}
