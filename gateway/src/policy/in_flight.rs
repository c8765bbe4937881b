//! How many requests may be inside at once. The permit lives until the answer's body has been sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::problem::{Code, Problem};

/// The count and its cap.
#[derive(Debug)]
pub struct InFlight {
    now: AtomicUsize,
    cap: usize,
}

/// A place inside. Dropping it gives the place to another.
#[derive(Debug)]
pub struct Permit(Arc<InFlight>);

impl InFlight {
    /// With at most `cap` requests inside.
    #[must_use]
    pub fn new(cap: usize) -> Arc<Self> {
        Arc::new(Self { now: AtomicUsize::new(0), cap })
    }

    /// Enters.
    ///
    /// # Errors
    /// 503 `overloaded` when the house is full.
    pub fn enter(self: &Arc<Self>) -> Result<Permit, Problem> {
        let permit = Permit(Arc::clone(self));
        if self.now.fetch_add(1, Ordering::AcqRel) >= self.cap {
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
        let house = InFlight::new(2);
        let first = house.enter().unwrap();
        let _second = house.enter().unwrap();
        assert_eq!(house.enter().unwrap_err().code(), Code::Overloaded);
        assert_eq!(house.count(), 2);
        drop(first);
        assert!(house.enter().is_ok());
    }
}
