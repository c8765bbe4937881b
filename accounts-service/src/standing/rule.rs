//! The rule of a standing order as it is written: how often, on which day, at what time, and what a weekend does to it.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most units that lie between two dates: a leap year of days.
pub const MAX_INTERVAL: u16 = 366;

/// When a standing order is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StandingOrderRule)]
pub struct Rule {
    /// The unit that it counts in; `once`: only on `starts_on`.
    pub every: Every,
    /// How many of the unit lie between two dates.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 366, default = 1)]
    pub interval: u16,
    /// With `week`: the day. Absent: that of `starts_on`.
    #[serde(default)]
    pub weekday: Option<DayOfWeek>,
    /// With `month` and `year`: the day of the month, and in a shorter month its last; so 31 is always the last. Absent: that of
    /// `starts_on`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 31)]
    pub day: Option<i8>,
    /// With `year`: the month. Absent: that of `starts_on`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 12)]
    pub month: Option<i8>,
    /// The time of day on the clocks of the order's time zone, `HH:MM`. One that these clocks leave out is as much later as they
    /// are put forward; of one that they show twice it is the first.
    #[serde(default)]
    #[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", default = "00:00", example = "09:00")]
    pub at: TimeOfDay,
    /// Where a date goes that falls on a Saturday or Sunday.
    #[serde(default)]
    pub on_weekend: OnWeekend,
}

const fn one() -> u16 {
    1
}

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Every {
    /// No unit: a single date.
    Once,
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DayOfWeek {
    /// The first of the week (ISO 8601).
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The first of the weekend.
    Saturday,
    /// The second of the weekend.
    Sunday,
}

impl DayOfWeek {
    /// As the calendar has it.
    #[must_use]
    pub const fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Tuesday => Weekday::Tuesday,
            Self::Wednesday => Weekday::Wednesday,
            Self::Thursday => Weekday::Thursday,
            Self::Friday => Weekday::Friday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

impl From<Weekday> for DayOfWeek {
    fn from(weekday: Weekday) -> Self {
        match weekday {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

/// What a weekend does to a date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnWeekend {
    /// Nothing.
    #[default]
    AsIs,
    /// It is due on the Monday after.
    Following,
    /// It is due on the Friday before.
    Preceding,
    /// There is no such date.
    Skip,
}

/// An hour and a minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    hour: i8,
    minute: i8,
}

/// Text that is no time of day.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a time of day is HH:MM, from 00:00 to 23:59")]
pub struct NoTimeOfDay;

impl TimeOfDay {
    /// As the calendar has it.
    #[must_use]
    pub const fn time(self) -> Time {
        Time::constant(self.hour, self.minute, 0, 0)
    }
}

impl FromStr for TimeOfDay {
    type Err = NoTimeOfDay;

    fn from_str(text: &str) -> Result<Self, NoTimeOfDay> {
        let [tens, ones, b':', minute_tens, minute_ones] = text.as_bytes() else { return Err(NoTimeOfDay) };
        let pair = |tens: u8, ones: u8, below: u8| {
            let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
            let value = digits.then(|| (tens - b'0') * 10 + ones - b'0').filter(|value| *value < below);
            value.and_then(|value| i8::try_from(value).ok()).ok_or(NoTimeOfDay)
        };
        Ok(Self { hour: pair(*tens, *ones, 24)?, minute: pair(*minute_tens, *minute_ones, 60)? })
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = NoTimeOfDay;

    fn try_from(text: String) -> Result<Self, NoTimeOfDay> {
        text.parse()
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}
