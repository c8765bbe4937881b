//! Velocity limits: how much, and how often, an account may be debited in any stretch of time so long.
//!
//! A window is counted in sixtieths, its *slices*. What is used is the running slice and the sixty before it, which
//! together always cover the window, so no stretch of that length ever holds more than the limit. The price is that a
//! debit may count for up to one slice longer than the window is: a limit is at most a sixtieth stricter than it says,
//! never laxer.

/// Slices that a window has besides the running one.
pub const SLICES: i64 = 60;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// What may be debited within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The window's length in seconds.
    pub seconds: i32,
    /// Minor units.
    pub amount: Option<i64>,
    /// Debits.
    pub count: Option<i64>,
}

/// What was debited in one slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Which, counted from the epoch.
    pub number: i64,
    /// Minor units.
    pub amount: i64,
    /// Debits.
    pub count: i64,
}

/// What of a limit is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Minor units.
    pub amount: i64,
    /// Debits.
    pub count: i64,
}

/// A limit with what counts against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The limit.
    pub limit: Limit,
    /// Slices with something in them; those that count no more may be among them.
    pub slices: Vec<Slice>,
}

impl Limit {
    /// How long a slice is, in microseconds: rounded up, so that sixty are no shorter than the window.
    #[must_use]
    pub fn slice_micros(self) -> i64 {
        (i64::from(self.seconds) * SECOND + SLICES - 1) / SLICES
    }

    /// The slice that an instant lies in.
    #[must_use]
    pub fn slice_of(self, at: i64) -> i64 {
        at.div_euclid(self.slice_micros())
    }

    /// The oldest slice that counts at an instant.
    #[must_use]
    pub fn oldest(self, now: i64) -> i64 {
        self.slice_of(now) - SLICES
    }

    /// When the slice of an instant ends.
    #[must_use]
    pub fn slice_end(self, at: i64) -> i64 {
        (self.slice_of(at) + 1) * self.slice_micros()
    }
}

impl Window {
    /// What counts at `now`. A slice that begins later was counted by a clock ahead of ours, and counts as well.
    #[must_use]
    pub fn used(&self, now: i64) -> Used {
        let oldest = self.limit.oldest(now);
        let counting = self.slices.iter().filter(|slice| slice.number >= oldest);
        counting.fold(Used::default(), |used, slice| Used {
            amount: used.amount.saturating_add(slice.amount),
            count: used.count.saturating_add(slice.count),
        })
    }

    /// Whether a debit of `amount` at `now` stays within the limit.
    #[must_use]
    pub fn admits(&self, amount: i64, now: i64) -> bool {
        let used = self.used(now);
        self.limit.amount.is_none_or(|most| used.amount.saturating_add(amount) <= most)
            && self.limit.count.is_none_or(|most| used.count < most)
    }

    /// The slice of `now` with a debit of `amount` in it.
    #[must_use]
    pub fn with(&self, amount: i64, now: i64) -> Slice {
        let slice = self.slice(self.limit.slice_of(now));
        Slice { amount: slice.amount.saturating_add(amount), count: slice.count.saturating_add(1), ..slice }
    }

    /// The slice in which a hold was counted at `counted_at`, without `amount` of it, and without the hold itself when
    /// nothing of it is left. `None` when that slice counts no more.
    #[must_use]
    pub fn without(&self, amount: i64, whole: bool, counted_at: i64, now: i64) -> Option<Slice> {
        let number = self.limit.slice_of(counted_at);
        if number < self.limit.oldest(now) {
            return None;
        }
        let slice = self.slice(number);
        let count = slice.count - i64::from(whole);
        // A limit that is younger than the hold may not have counted all of it.
        Some(Slice { amount: (slice.amount - amount).max(0), count: count.max(0), ..slice })
    }

    /// Sets a slice to what it holds now.
    pub fn put(&mut self, changed: Slice) {
        match self.slices.iter_mut().find(|slice| slice.number == changed.number) {
            Some(slice) => *slice = changed,
            None => self.slices.push(changed),
        }
    }

    fn slice(&self, number: i64) -> Slice {
        let known = self.slices.iter().find(|slice| slice.number == number);
        known.copied().unwrap_or(Slice { number, ..Slice::default() })
    }
}

#[cfg(test)]
mod tests;
