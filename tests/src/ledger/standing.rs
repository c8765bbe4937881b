//! Standing orders as the contract tells them: the dates of each by its rule, and what has to have come of every one.

mod judge;
mod told;

use jiff::civil::{Date, Weekday};
use serde_json::{Value, json};

use super::command::Caller;

pub use self::judge::judge;
pub use self::told::{Run, State, told};

/// Dates that are made up for after an absence; older ones are skipped.
pub const MOST_MISSED: usize = 31;

/// Which days an order is due on, counted from its first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Every so many days.
    Days(u16),
    /// Every day that is not of a weekend.
    Workdays,
    /// Every so many weeks, on the weekday of the first.
    Weeks(u16),
    /// That day of every month, and in a shorter one its last.
    Months(i8),
}

impl Rule {
    /// As the API takes it, due at this time of day.
    #[must_use]
    pub fn body(self, at: &str) -> Value {
        match self {
            Self::Days(interval) => json!({"every": "day", "interval": interval, "at": at}),
            Self::Workdays => json!({"every": "day", "on_weekend": "skip", "at": at}),
            Self::Weeks(interval) => json!({"every": "week", "interval": interval, "at": at}),
            Self::Months(day) => json!({"every": "month", "day": day, "at": at}),
        }
    }

    fn meets(self, starts_on: Date, date: Date) -> bool {
        let passed = (date - starts_on).get_days();
        match self {
            Self::Days(interval) => passed % i32::from(interval) == 0,
            Self::Workdays => !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday),
            Self::Weeks(interval) => passed % (7 * i32::from(interval)) == 0,
            Self::Months(day) => date.day() == day.min(date.days_in_month()),
        }
    }
}

/// A standing order as it was asked for. Its name is the description of each of its transfers, and of no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: Caller,
    /// Who pays.
    pub debit: String,
    /// Who receives.
    pub credit: String,
    /// Minor units of US dollars, each time.
    pub amount: i64,
    /// When it is due.
    pub rule: Rule,
    /// The first day that it may be due on.
    pub starts_on: Date,
    /// After how many dates it ends.
    pub most_runs: Option<usize>,
    /// How often a payment is tried again that the account has too little for.
    pub retries: usize,
}

impl Standing {
    /// Its dates until a day, that day included.
    #[must_use]
    pub fn dates(&self, until: Date) -> Vec<Date> {
        let days = self.starts_on.series(jiff::Span::new().days(1)).take_while(|day| *day <= until);
        days.filter(|day| self.rule.meets(self.starts_on, *day)).take(self.most_runs.unwrap_or(usize::MAX)).collect()
    }

    /// The body of `POST /standing-orders`, due at this time of day in UTC.
    #[must_use]
    pub fn body(&self, at: &str) -> Value {
        let mut body = json!({
            "debit_account_id": self.debit, "credit_account_id": self.credit, "amount": self.amount, "currency": "USD",
            "description": self.name, "rule": self.rule.body(at), "time_zone": "UTC", "starts_on": self.starts_on.to_string(),
            "retries": {"times": self.retries, "after": 3_600},
        });
        if let Some(most) = self.most_runs {
            body["most_runs"] = json!(most);
        }
        body
    }
}

/// An order's row, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The order.
    pub id: String,
    /// `active`, or `ended`.
    pub status: String,
    /// The date that comes next.
    pub next_due_on: Option<String>,
    /// The attempt at it that comes next.
    pub next_attempt: i32,
    /// How many dates are over.
    pub runs: usize,
}

impl Kept {
    /// Whether nothing of it is due any more, when `until` is the last day on which anything was.
    #[must_use]
    pub fn rests(&self, until: Date) -> bool {
        let until = until.to_string();
        self.next_attempt == 1 && self.next_due_on.as_ref().is_none_or(|next| *next > until)
    }
}
