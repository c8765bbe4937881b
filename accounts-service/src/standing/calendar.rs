//! When a standing order is due: dates by counting from its first one, never from its last run, and each an instant by the
//! clocks of its time zone. Pure.

use jiff::SignedDuration;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use shared::problem::FieldError;

use super::rule::{DayOfWeek, Every, MAX_INTERVAL, OnWeekend, Rule};

/// More dates than any rule has until the year 9999, the calendar's last.
const MOST: i64 = 4_000_000;

/// Dates in a row that weekends may take out before there are none: months and years fall on a weekend each time for
/// at most some centuries.
const MOST_SKIPPED: usize = 500;

/// A rule with where it starts and ends.
#[derive(Clone, Debug)]
pub struct Schedule {
    pattern: Pattern,
    rule: Rule,
    zone: TimeZone,
    ends_on: Option<Date>,
}

/// Where the first date lies, and how far apart all are.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    Once(Date),
    Days {
        first: Date,
        interval: i64,
    },
    /// `month` counts from the year 0.
    Months {
        month: i64,
        interval: i64,
        day: i8,
    },
}

/// A date on which a payment is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The date by the rule, before any weekend: what the run is known by.
    pub on: Date,
    /// When, in microseconds since the epoch.
    pub at: i64,
}

impl Schedule {
    /// The schedule, or everything that is wrong with its rule.
    pub fn new(
        rule: &Rule,
        zone: TimeZone,
        (starts_on, ends_on): (Date, Option<Date>),
    ) -> Result<Self, Vec<FieldError>> {
        let faults = faults(rule, starts_on, ends_on);
        if !faults.is_empty() {
            return Err(faults);
        }
        let rule = filled(rule, starts_on);
        Ok(Self { pattern: pattern(&rule, starts_on), rule, zone, ends_on })
    }

    /// The name of the zone whose clocks the rule means, as the database spells it.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The rule, with what `starts_on` has said.
    #[must_use]
    pub const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The first date after `on`; without one, the first of all.
    #[must_use]
    pub fn after(&self, on: Option<Date>) -> Option<Due> {
        self.first(|date| on.is_none_or(|on| date > on))
    }

    /// The first date whose instant is still to come at `now`.
    #[must_use]
    pub fn coming(&self, now: i64) -> Option<Due> {
        self.first(|date| self.instant(date).is_none_or(|at| at > now))
    }

    /// When the date is due, weekends considered; none past the calendar's end.
    #[must_use]
    pub fn instant(&self, on: Date) -> Option<i64> {
        let day = shifted(on, self.rule.on_weekend)?;
        let local = day.to_datetime(self.rule.at.time());
        let instant = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(instant.as_microsecond())
    }

    /// The first date that `is_late_enough`, which every later one is, too.
    fn first(&self, is_late_enough: impl Fn(Date) -> bool) -> Option<Due> {
        let (mut low, mut high) = (0, MOST);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.pattern.date(middle).is_none_or(&is_late_enough) { high = middle } else { low = middle + 1 }
        }
        let dates = (low..MOST).map_while(|number| self.pattern.date(number)).take(MOST_SKIPPED);
        let mut dates = dates.take_while(|date| self.ends_on.is_none_or(|end| *date <= end));
        let on = dates.find(|date| self.rule.on_weekend != OnWeekend::Skip || !is_weekend(*date))?;
        Some(Due { on, at: self.instant(on)? })
    }
}

impl Pattern {
    /// The date of that number, from 0; none past the last.
    fn date(self, number: i64) -> Option<Date> {
        match self {
            Self::Once(date) => (number == 0).then_some(date),
            Self::Days { first, interval } => plus_days(first, number.checked_mul(interval)?),
            Self::Months { month, interval, day } => day_of(month.checked_add(number.checked_mul(interval)?)?, day),
        }
    }
}

/// Everything that is wrong with a rule.
fn faults(rule: &Rule, starts_on: Date, ends_on: Option<Date>) -> Vec<FieldError> {
    let (every, skips) = (rule.every, rule.on_weekend == OnWeekend::Skip);
    let (weekly, dated) = (every == Every::Week, matches!(every, Every::Month | Every::Year));
    let first_day = rule.weekday.map_or_else(|| starts_on.weekday(), DayOfWeek::weekday);
    let on_weekends_only = match every {
        Every::Week => is_of_weekend(first_day),
        Every::Once => is_weekend(starts_on),
        Every::Day => rule.interval.is_multiple_of(7) && is_weekend(starts_on),
        Every::Month | Every::Year => false,
    };
    let moves = matches!(rule.on_weekend, OnWeekend::Following | OnWeekend::Preceding);
    let wrong = [
        (!(1..=MAX_INTERVAL).contains(&rule.interval), "/rule/interval", "range", "1 to 366"),
        (every == Every::Once && rule.interval > 1, "/rule/interval", "surplus", "once has no interval"),
        (rule.weekday.is_some() && !weekly, "/rule/weekday", "surplus", "only with week"),
        (rule.day.is_some() && !dated, "/rule/day", "surplus", "only with month and year"),
        (rule.day.is_some_and(|day| !(1..=31).contains(&day)), "/rule/day", "range", "1 to 31"),
        (rule.month.is_some() && every != Every::Year, "/rule/month", "surplus", "only with year"),
        (rule.month.is_some_and(|month| !(1..=12).contains(&month)), "/rule/month", "range", "1 to 12"),
        (
            moves && every == Every::Day,
            "/rule/on_weekend",
            "every_day",
            "with day, as_is or skip: Monday has a date of its own",
        ),
        (skips && on_weekends_only, "/rule/on_weekend", "never", "every date would fall on a weekend"),
        (ends_on.is_some_and(|end| end < starts_on), "/ends_on", "before_start", "starts_on or later"),
    ];
    let wrong = wrong.into_iter().filter(|(is_wrong, ..)| *is_wrong);
    wrong
        .map(|(_, pointer, code, detail)| FieldError {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        })
        .collect()
}

/// The rule with every member that it needs, so that what is shown says everything.
fn filled(rule: &Rule, starts_on: Date) -> Rule {
    let mut rule = rule.clone();
    match rule.every {
        Every::Once | Every::Day => {}
        Every::Week => rule.weekday = rule.weekday.or_else(|| Some(starts_on.weekday().into())),
        Every::Month => rule.day = rule.day.or_else(|| Some(starts_on.day())),
        Every::Year => {
            rule.day = rule.day.or_else(|| Some(starts_on.day()));
            rule.month = rule.month.or_else(|| Some(starts_on.month()));
        }
    }
    rule
}

/// The first date is the first that the rule meets on or after `starts_on`.
fn pattern(rule: &Rule, starts_on: Date) -> Pattern {
    let interval = i64::from(rule.interval);
    let day = rule.day.unwrap_or_else(|| starts_on.day());
    let in_months = |month: i64, interval: i64, step: i64| {
        let passed = day_of(month, day).is_some_and(|date| date < starts_on);
        Pattern::Months { month: if passed { month + step } else { month }, interval, day }
    };
    match rule.every {
        Every::Once => Pattern::Once(starts_on),
        Every::Day => Pattern::Days { first: starts_on, interval },
        Every::Week => {
            let wanted = rule.weekday.map_or_else(|| starts_on.weekday(), DayOfWeek::weekday);
            let ahead = i64::from(starts_on.weekday().until(wanted));
            plus_days(starts_on, ahead)
                .map_or(Pattern::Once(starts_on), |first| Pattern::Days { first, interval: 7 * interval })
        }
        Every::Month => in_months(month_number(starts_on.year(), starts_on.month()), interval, 1),
        Every::Year => {
            let month = rule.month.unwrap_or_else(|| starts_on.month());
            in_months(month_number(starts_on.year(), month), 12 * interval, 12)
        }
    }
}

fn month_number(year: i16, month: i8) -> i64 {
    i64::from(year) * 12 + i64::from(month) - 1
}

/// That day of the month, or its last.
fn day_of(month: i64, day: i8) -> Option<Date> {
    let (year, month) = (i16::try_from(month.div_euclid(12)).ok()?, i8::try_from(month.rem_euclid(12)).ok()? + 1);
    let first = Date::new(year, month, 1).ok()?;
    Date::new(year, month, day.clamp(1, first.days_in_month())).ok()
}

fn plus_days(date: Date, days: i64) -> Option<Date> {
    date.checked_add(SignedDuration::try_from_hours(days.checked_mul(24)?)?).ok()
}

fn shifted(date: Date, on_weekend: OnWeekend) -> Option<Date> {
    let days = match (on_weekend, date.weekday()) {
        (OnWeekend::Following, Weekday::Saturday) => 2,
        (OnWeekend::Following, Weekday::Sunday) => 1,
        (OnWeekend::Preceding, Weekday::Saturday) => -1,
        (OnWeekend::Preceding, Weekday::Sunday) => -2,
        (OnWeekend::AsIs | OnWeekend::Skip, _) | (OnWeekend::Following | OnWeekend::Preceding, _) => return Some(date),
    };
    plus_days(date, days)
}

const fn is_of_weekend(weekday: Weekday) -> bool {
    matches!(weekday, Weekday::Saturday | Weekday::Sunday)
}

fn is_weekend(date: Date) -> bool {
    is_of_weekend(date.weekday())
}

#[cfg(test)]
mod tests;
