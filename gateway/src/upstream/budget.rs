//! The retry budget: repeated calls are at most a share of first calls, so that a failing upstream is not buried under
//! them (Finagle's RetryBudget; Google SRE book, chapter 22).

use std::sync::atomic::{AtomicI64, Ordering};

/// What one repeated call takes, in hundredths of a call.
const CALL: i64 = 100;

/// No more repeated calls than this are saved up.
const MOST: i64 = 100 * CALL;

/// The budget of one upstream, in hundredths of a call.
#[derive(Debug)]
pub struct Budget {
    balance: AtomicI64,
    /// What each first call pays in.
    percent: i64,
    least: i64,
}

impl Budget {
    /// `percent` of first calls, and `reserve` calls to begin with.
    #[must_use]
    pub fn new(percent: u32, reserve: u32) -> Self {
        let reserve = i64::from(reserve).saturating_mul(CALL).min(MOST);
        Self { balance: AtomicI64::new(reserve), percent: i64::from(percent), least: reserve }
    }

    /// A first call is made.
    pub fn deposit(&self) {
        if self.balance.load(Ordering::Relaxed) < MOST.max(self.least) {
            self.balance.fetch_add(self.percent, Ordering::Relaxed);
        }
    }

    /// Whether a call may be repeated now.
    pub fn withdraw(&self) -> bool {
        let taken = |balance: i64| (balance >= CALL).then_some(balance - CALL);
        self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    /// Whole calls that may be repeated now.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.balance.load(Ordering::Relaxed) / CALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_calls_are_a_share_of_first_calls() {
        let budget = Budget::new(20, 10);
        let mut repeated = 0;
        for _ in 0..1_000 {
            budget.deposit();
            repeated += u32::from(budget.withdraw());
        }
        assert_eq!(repeated, 10 + 200, "the reserve, and one in five");
    }

    #[test]
    fn quiet_times_save_up_only_so_much() {
        let budget = Budget::new(20, 10);
        (0..100_000).for_each(|_| budget.deposit());
        assert_eq!(budget.left(), 100);
        let none = Budget::new(0, 0);
        (0..1_000).for_each(|_| none.deposit());
        assert!(!none.withdraw());
    }
}
