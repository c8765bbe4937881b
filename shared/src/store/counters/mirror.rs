//! What this instance knows of the shared counters, and how it decides alone while they do not answer.
//!
//! Of each key it holds two levels. `known` is what Redis said last, drained since. `merged` lies above it by what was let
//! through without Redis, each unit taken as many times as there are instances: as if every other one had let as much
//! through at the same time. Alone, an instance lets through what fits on top of `merged`; so all together stay within
//! what was left when each last heard of the counter. The difference of the two, divided by the instances, is *owed*, and
//! is charged to the counter as soon as that answers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;
use smallvec::SmallVec;

use super::Decisions;
use super::table::{Held, Print, Prints, Table, Worth};
use crate::clock::{Clock, Steady};
use crate::store::gcra::{Level, Meter};

/// Keys that are settled without being asked for again. Others are settled when they are.
const MAX_OWING: usize = 65_536;

/// One key of a question.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The counter's name in Redis.
    pub key: String,
    /// And here.
    pub print: Print,
    pub meter: Meter,
    /// What has to fit: its own cost, and what the question wants of the same key before.
    pub need: u64,
    /// Its own cost.
    pub cost: u64,
    pub shadow: bool,
}

/// A key whose counter does not know yet what was let through.
#[derive(Clone, Debug)]
pub(super) struct Owing {
    pub key: String,
    pub print: Print,
    pub meter: Meter,
    pub instances: u32,
}

impl Asked {
    /// This key, as one that owes.
    pub fn owing(&self, instances: u32) -> Owing {
        Owing { key: self.key.clone(), print: self.print, meter: self.meter, instances }
    }
}

/// What a counter has to be told before it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Debt {
    /// The least that it stands at. It stands higher, unless the server has lost its data.
    pub floor: u64,
    /// What was let through without it.
    pub owed: u64,
    /// What it charged for requests that were not let through: they had been refused alone when its answer came.
    pub back: u64,
}

#[derive(Debug)]
pub(super) struct Mirror {
    time: Steady,
    table: Table<Reflection>,
    owing: Mutex<VecDeque<Owing>>,
    returns: Mutex<Vec<(Owing, u64)>>,
    /// Moves whenever the server may have forgotten what it knew.
    generation: AtomicU32,
}

/// One counter as it is known here.
#[derive(Clone, Copy, Debug)]
struct Reflection {
    known: u64,
    merged: u64,
    drain: u64,
    capacity: u64,
    at: i64,
    /// The mirror's, when the counter last said where it stands.
    generation: u32,
    /// Whether it is in the list of those that owe.
    listed: bool,
}

impl Held for Reflection {
    fn worth(&self, now: i64) -> Worth {
        Worth::of(self.level(self.merged), now)
    }
}

impl Reflection {
    const fn level(&self, amount: u64) -> Level {
        Level { amount, drain: self.drain, capacity: self.capacity, at: self.at }
    }

    /// Its two levels at `now`. What was let through is not cut to what fits.
    fn settled(held: Option<Self>, meter: &Meter, now: i64) -> (u64, u64) {
        let Some(held) = held else { return (0, 0) };
        let is_same = (held.drain, held.capacity) == (meter.drain, meter.capacity);
        let drained = |amount| {
            let level = held.level(amount);
            if is_same { level.drained(now) } else { meter.settle(Some(level), now) }
        };
        (drained(held.known), drained(held.merged))
    }

    /// Units, filled in, that were let through alone.
    fn owed(known: u64, merged: u64, instances: u32) -> u64 {
        merged.saturating_sub(known).div_ceil(u64::from(instances.max(1)))
    }
}

impl Mirror {
    pub fn new(clock: &Clock) -> Self {
        let (table, owing, returns) = (Table::new(), Mutex::default(), Mutex::default());
        Self { time: clock.steady(), table, owing, returns, generation: AtomicU32::new(0) }
    }

    pub fn print(&self, name: &str) -> Print {
        self.table.print(name)
    }

    /// Decides without asking: charges every key, or none. Says whether it lets through.
    pub fn take(&self, asked: &[Asked], instances: u32) -> (Decisions, bool) {
        let mut locked = self.table.lock(&prints(asked));
        let now = self.time.micros();
        let generation = self.generation.load(Ordering::Acquire);
        let plan = |one: &Asked| Plan::of(one, locked.get(one.print), instances, now);
        let plans: SmallVec<[Plan; 2]> = asked.iter().map(plan).collect();
        let passes = plans.iter().zip(asked).all(|(plan, one)| one.shadow || plan.fits());
        let mut decisions = Decisions::new();
        for (plan, one) in plans.iter().zip(asked) {
            if passes && plan.need > 0 && plan.fits() {
                let merged = plan.merged.saturating_add(plan.need);
                locked.put(one.print, plan.reflection(one, merged, now, generation), now);
                decisions.push(plan.alone.decision(merged, None));
            } else {
                decisions.push(plan.alone.decision(plan.merged, (!plan.fits()).then_some(plan.need)));
            }
        }
        (decisions, passes)
    }

    /// What [`Mirror::take`] said, for a question that was let through by it.
    pub fn taken(&self, asked: &[Asked], instances: u32) -> Decisions {
        let locked = self.table.lock(&prints(asked));
        let now = self.time.micros();
        let plan = |one: &Asked| Plan::of(one, locked.get(one.print), instances, now);
        asked.iter().map(plan).map(|plan| plan.alone.decision(plan.merged.min(plan.alone.capacity), None)).collect()
    }

    /// Notes that these keys owe, so that their counters are told even if nobody asks for them again.
    pub fn list(&self, keys: impl IntoIterator<Item = Owing>) {
        for one in keys {
            let mut locked = self.table.lock(&[one.print]);
            let Some(held) = locked.get(one.print).filter(|held| !held.listed) else { continue };
            let mut owing = self.owing.lock();
            if owing.len() < MAX_OWING {
                locked.put(one.print, Reflection { listed: true, ..held }, self.time.micros());
                owing.push_back(one);
            }
        }
    }

    /// Whether any counter has to be told something.
    pub fn owes(&self) -> bool {
        !self.owing.lock().is_empty() || !self.returns.lock().is_empty()
    }

    /// Notes that a counter has charged `back` for nothing.
    pub fn give_back(&self, of: Owing, back: u64) {
        self.returns.lock().push((of, back));
    }

    /// What is to be given back.
    pub fn returns(&self) -> Vec<(Owing, u64)> {
        std::mem::take(&mut self.returns.lock())
    }

    /// Takes up to `most` keys off the list.
    pub fn unlist(&self, most: usize) -> Vec<Owing> {
        let some: Vec<Owing> = {
            let mut owing = self.owing.lock();
            let most = most.min(owing.len());
            owing.drain(..most).collect()
        };
        for one in &some {
            let mut locked = self.table.lock(&[one.print]);
            if let Some(held) = locked.get(one.print) {
                locked.put(one.print, Reflection { listed: false, ..held }, self.time.micros());
            }
        }
        some
    }

    /// What the counter has to be told, if anything.
    pub fn debt(&self, print: Print, meter: &Meter, instances: u32) -> Option<Debt> {
        let held = self.table.lock(&[print]).get(print)?;
        let (floor, merged) = Reflection::settled(Some(held), meter, self.time.micros());
        let owed = Reflection::owed(floor, merged, instances);
        let doubted = floor > 0 && held.generation != self.generation.load(Ordering::Acquire);
        (owed > 0 || doubted).then_some(Debt { floor, owed, back: 0 })
    }

    /// The counter said where it stands; `paid` of what was let through alone is in that.
    pub fn learn(&self, print: Print, meter: &Meter, instances: u32, level: u64, paid: u64) {
        let mut locked = self.table.lock(&[print]);
        let now = self.time.micros();
        let held = locked.get(print);
        let (known, merged) = Reflection::settled(held, meter, now);
        let left = Reflection::owed(known, merged, instances).saturating_sub(paid);
        let merged = level.saturating_add(left.saturating_mul(u64::from(instances.max(1))));
        if merged == 0 {
            locked.remove(print);
            return;
        }
        let listed = held.is_some_and(|held| held.listed);
        let Meter { drain, capacity, .. } = *meter;
        let generation = self.generation.load(Ordering::Acquire);
        locked.put(print, Reflection { known: level, merged, drain, capacity, at: now, generation, listed }, now);
    }

    /// The server may have lost what it knew: it is told with the next question after each key.
    pub fn doubt(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub fn forget(&self, print: Print) {
        self.table.lock(&[print]).remove(print);
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }
}

fn prints(asked: &[Asked]) -> Prints {
    asked.iter().map(|one| one.print).collect()
}

/// What one key would do.
struct Plan {
    alone: Meter,
    known: u64,
    merged: u64,
    need: u64,
    held: Option<Reflection>,
}

impl Plan {
    fn of(one: &Asked, held: Option<Reflection>, instances: u32, now: i64) -> Self {
        let alone = one.meter.alone(instances, one.need);
        let (known, merged) = Reflection::settled(held, &one.meter, now);
        let need = one.need.saturating_mul(u64::from(instances.max(1)));
        Self { alone, known, merged, need, held }
    }

    fn fits(&self) -> bool {
        self.alone.fits(self.merged, self.need)
    }

    fn reflection(&self, one: &Asked, merged: u64, at: i64, generation: u32) -> Reflection {
        let Meter { drain, capacity, .. } = one.meter;
        let generation = self.held.map_or(generation, |held| held.generation);
        let listed = self.held.is_some_and(|held| held.listed);
        Reflection { known: self.known, merged, drain, capacity, at, generation, listed }
    }
}

#[cfg(test)]
mod tests;
