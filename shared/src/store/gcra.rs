//! The rate limit algorithm, pure and in whole numbers: GCRA in its form as a meter that fills and drains.
//!
//! ITU-T I.371 (annex on the Generic Cell Rate Algorithm) gives two equivalent forms, virtual scheduling (a "theoretical
//! arrival time") and the continuous-state leaky bucket. We use the second, because its arithmetic is exact: an admitted
//! unit adds `window` to the level and every microsecond takes `limit` away, so no interval is ever rounded. The level
//! may not exceed `burst * window`. Over any stretch of time `t` at most `burst + limit * t / window` units get through.

use std::time::Duration;

/// Levels stay at or below 2^53, so that Lua's numbers hold them exactly too.
const MAX_LEVEL: u64 = 1 << 53;
/// A stored time that lies further ahead than this, in microseconds, was written under a clock that has been set back.
const MAX_AHEAD: i64 = 1_000_000;
/// The longest window in microseconds: 366 days. Longer ones are cut to it.
const MAX_WINDOW: u64 = 366 * 24 * 3_600 * 1_000_000;

/// How much may pass: `limit` units per `window` sustained, and `burst` at once.
///
/// A `limit` or `burst` of zero lets nothing pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Units per window.
    pub limit: u32,
    /// The window, from 1 us to 366 days.
    pub window: Duration,
    /// Units that may pass at the same instant after a rest. For a window of a day and an odd limit it is cut to what
    /// 2^53 can count exactly, about 100,000: [`Quota::exact_burst`].
    pub burst: u32,
}

impl Quota {
    /// The largest burst that can be counted exactly with this limit and window.
    #[must_use]
    pub fn exact_burst(self) -> u64 {
        MAX_LEVEL / Meter::of(self).fill
    }
}

/// What was decided about one key, in the words of the `RateLimit` header (IETF draft 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether this key had room. Units are taken only when every key of the call had.
    pub allowed: bool,
    /// The quota's `limit`.
    pub limit: u32,
    /// Units that could pass right now, after this decision.
    pub remaining: u32,
    /// How long until one more than that could; zero when there is no more to come.
    pub more_after: Duration,
    /// How long until the refused cost would fit; zero when allowed.
    pub retry_after: Duration,
    /// How long until the whole burst is there again.
    pub reset_after: Duration,
}

/// A quota as whole numbers: what a unit adds, what a microsecond takes, what fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meter {
    pub fill: u64,
    pub drain: u64,
    pub capacity: u64,
    limit: u32,
}

/// What is remembered of a key: how full its meter was, under which quota, and when (microseconds since the epoch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub amount: u64,
    pub drain: u64,
    pub capacity: u64,
    pub at: i64,
}

impl Level {
    /// What is left of it at `now`, in its own unit.
    pub fn drained(&self, now: i64) -> u64 {
        let elapsed = u64::try_from(now.saturating_sub(self.at)).unwrap_or(0);
        self.amount.saturating_sub(elapsed.saturating_mul(self.drain))
    }

    /// When the meter is empty and the level need not be remembered any more.
    pub fn empty_at(&self) -> i64 {
        self.at.saturating_add(to_i64(self.amount.div_ceil(self.drain.max(1))))
    }
}

impl Meter {
    pub fn of(quota: Quota) -> Self {
        let window = u64::try_from(quota.window.as_micros()).unwrap_or(u64::MAX).clamp(1, MAX_WINDOW);
        let limit = u64::from(quota.limit);
        if limit == 0 {
            return Self { fill: window, drain: 1, capacity: 0, limit: 0 };
        }
        // 60 s and 100 are the same meter as 0.6 s and 1; small numbers leave room for large bursts.
        let common = gcd(window, limit);
        let (fill, drain) = (window / common, limit / common);
        let units = u64::from(quota.burst).min(MAX_LEVEL / fill);
        Self { fill, drain, capacity: units * fill, limit: quota.limit }
    }

    /// The same quota for one of `instances` that cannot ask the others: it takes each unit that it lets through for one
    /// that every other has let through as well, so that all together stay within the quota whoever is asked. What is at
    /// rest lets `need` pass once, however small the share.
    pub fn alone(&self, instances: u32, need: u64) -> Self {
        let times = u64::from(instances.max(1));
        let capacity = self.capacity.max(need.saturating_mul(times)).min(MAX_LEVEL);
        // A quota of nothing has no share of anything.
        let capacity = if self.capacity == 0 { 0 } else { capacity };
        Self { fill: self.fill.saturating_mul(times), capacity, ..*self }
    }

    /// How far a level may rise: what was let through without asking may put the meter into debt, by one more burst.
    pub fn ceiling(&self) -> u64 {
        (2 * self.capacity).min(MAX_LEVEL)
    }

    /// The level now: what was stored less what has drained since. A clock that went back drains nothing.
    pub fn settle(&self, stored: Option<Level>, now: i64) -> u64 {
        let Some(stored) = stored else { return 0 };
        let elapsed = u64::try_from(now.saturating_sub(stored.at)).unwrap_or(0);
        // A quota changed by a reload keeps the time to empty, not a number in another unit, and leaves no debt.
        let amount = if (stored.drain, stored.capacity) == (self.drain, self.capacity) {
            stored.amount.min(self.ceiling())
        } else {
            let scaled = (u128::from(stored.amount) * u128::from(self.drain)).div_ceil(u128::from(stored.drain.max(1)));
            u64::try_from(scaled).unwrap_or(u64::MAX).min(self.capacity)
        };
        amount.saturating_sub(elapsed.saturating_mul(self.drain))
    }

    /// What `cost` units add; past the capacity only "too much" matters.
    pub fn need(&self, cost: u64) -> u64 {
        self.fill.saturating_mul(cost).min(MAX_LEVEL)
    }

    /// Whether `need` fits on top of `level`. Nothing always fits.
    pub fn fits(&self, level: u64, need: u64) -> bool {
        need == 0 || level.saturating_add(need) <= self.capacity
    }

    /// The level to remember after taking `need`. Time does not go back in what is stored, unless the clock was set back
    /// by so much that waiting for it would lock callers out.
    pub fn filled(&self, stored: Option<Level>, level: u64, need: u64, now: i64) -> Level {
        let ahead = stored.map(|stored| stored.at).filter(|at| *at <= now.saturating_add(MAX_AHEAD));
        let at = ahead.map_or(now, |at| at.max(now));
        Level { amount: level.saturating_add(need), drain: self.drain, capacity: self.capacity, at }
    }

    /// The decision to report: `level` is the level after it, `refused` the need that did not fit.
    pub fn decision(&self, level: u64, refused: Option<u64>) -> Decision {
        let short = refused.map_or(0, |need| level.saturating_add(need).saturating_sub(self.capacity));
        let free = self.capacity.saturating_sub(level) / self.fill;
        let one_more = (free + 1).saturating_mul(self.fill);
        let beyond = if one_more > self.capacity { 0 } else { level.saturating_add(one_more) - self.capacity };
        Decision {
            allowed: refused.is_none(),
            limit: self.limit,
            remaining: u32::try_from(free).unwrap_or(u32::MAX),
            more_after: self.time_for(beyond),
            retry_after: self.time_for(short),
            reset_after: self.time_for(level),
        }
    }

    fn time_for(&self, amount: u64) -> Duration {
        Duration::from_micros(amount.div_ceil(self.drain))
    }
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
