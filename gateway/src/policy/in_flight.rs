//! How many requests may be inside at once. The permit lives until the answer's body has been sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::problem::{Code, Problem};

use crate::config::Priority;

/// How many may be inside, by how important they are: the last places are for those who count most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// All of them.
    pub all: usize,
    /// Those that requests of normal priority may fill.
    pub normal: usize,
    /// Those that requests of low priority may fill.
    pub low: usize,
}

impl Places {
    /// `all` places, of which the less important may fill these parts, in percent.
    #[must_use]
    pub fn new(all: usize, normal_percent: u32, low_percent: u32) -> Self {
        let part = |percent: u32| (all.saturating_mul(percent as usize) / 100).max(1);
        Self { all, normal: part(normal_percent), low: part(low_percent) }
    }

    /// Those in which requests may wait for the word about a credential that nobody knows: half of what anonymous ones may
    /// fill, for nobody knows either how important they are.
    #[must_use]
    pub const fn unknown(self) -> usize {
        if self.low < 2 { 1 } else { self.low / 2 }
    }

    const fn of(self, priority: Priority) -> usize {
        match priority {
            Priority::High => self.all,
            Priority::Normal => self.normal,
            Priority::Low => self.low,
        }
    }
}

/// The count.
#[derive(Debug, Default)]
pub struct InFlight {
    now: AtomicUsize,
}

/// A place inside. Dropping it gives the place to another.
#[derive(Debug)]
pub struct Permit(Arc<InFlight>);

impl InFlight {
    /// With nobody inside.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Enters, before it is known how important the request is.
    ///
    /// # Errors
    /// 503 `overloaded` when the house is full.
    pub fn enter(self: &Arc<Self>, places: Places) -> Result<Permit, Problem> {
        let permit = Permit(Arc::clone(self));
        if self.now.fetch_add(1, Ordering::AcqRel) >= places.all {
            Err(Problem::new(Code::Overloaded))
        } else {
            Ok(permit)
        }
    }

    /// How many are inside.
    #[must_use]
    pub fn count(&self) -> usize {
        self.now.load(Ordering::Acquire)
    }
}

impl Permit {
    /// Stays inside, now that it is known how important the request is.
    ///
    /// # Errors
    /// 503 `overloaded` when the rest of the places is for those who count more.
    pub fn keep(self, places: Places, priority: Priority) -> Result<Self, Problem> {
        if self.0.count() > places.of(priority) { Err(Problem::new(Code::Overloaded)) } else { Ok(self) }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_holds_and_places_come_back() {
        let (house, places) = (InFlight::new(), Places::new(2, 100, 100));
        let first = house.enter(places).unwrap();
        let _second = house.enter(places).unwrap();
        assert_eq!(house.enter(places).unwrap_err().code(), Code::Overloaded);
        assert_eq!(house.count(), 2);
        drop(first);
        assert!(house.enter(places).is_ok());
    }

    #[test]
    fn the_last_places_are_for_those_who_count_most() {
        let (house, places) = (InFlight::new(), Places::new(10, 80, 50));
        let fill = |priority| -> Vec<_> {
            std::iter::from_fn(|| house.enter(places).ok()?.keep(places, priority).ok()).collect()
        };
        let (low, normal, high) = (fill(Priority::Low), fill(Priority::Normal), fill(Priority::High));
        assert_eq!((low.len(), normal.len(), high.len()), (5, 3, 2));
    }
}
