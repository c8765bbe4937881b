//! Bodies of POST and PATCH of standing orders: parsed once, or refused with a pointer.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use shared::domain::{AccountId, Currency};
use shared::http::patch::Field;
use shared::problem::{Code, Problem};
use shared::wire::RawAmount;
use utoipa::ToSchema;

use super::calendar::Schedule;
use super::rule::Rule;
use crate::transfers::{self, MAX_DESCRIPTION, NewTransfer};

/// The most often that a payment is tried again.
const MOST_RETRIES: i16 = 10;
/// Seconds between two tries: an hour to a week.
const RETRY_AFTER: std::ops::RangeInclusive<i32> = 3_600..=604_800;

/// A standing order to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewStandingOrder {
    /// The account that pays: a user account of the caller's.
    pub debit_account_id: AccountId,
    /// The account that receives: any open account of the same currency.
    pub credit_account_id: AccountId,
    /// Minor units, 1 to 9007199254740991, each time.
    #[schema(value_type = i64, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 85_000)]
    pub amount: RawAmount,
    /// ISO 4217; both accounts must have it.
    #[schema(value_type = String, format = "iso-4217", example = "USD")]
    pub currency: Currency,
    /// Of each transfer; for people, up to 500 characters.
    #[serde(default)]
    pub description: Option<String>,
    /// Of each transfer: a JSON object of the client's own, up to 8 KiB and 16 levels, no member twice.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Box<RawValue>>,
    /// When it is due.
    #[serde(deserialize_with = "object")]
    pub rule: Rule,
    /// Whose clocks the rule means: a name of the IANA time zone database.
    #[schema(value_type = String, example = "Europe/Madrid")]
    pub time_zone: Zone,
    /// The first day that the rule may name; a weekend rule may move the payment before it.
    #[schema(value_type = String, format = Date, example = "2026-12-01")]
    pub starts_on: Day,
    /// The last day that the rule may name; a weekend rule may move the payment past it. Absent: none.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date, example = "2027-11-30")]
    pub ends_on: Option<Day>,
    /// After how many dates it ends, whatever came of them. Absent: never.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2_147_483_647)]
    pub most_runs: Option<i32>,
    /// What happens when the account has too little. Absent: nothing more on that date.
    #[serde(default, deserialize_with = "crate::transfers::object")]
    pub retries: Option<Retries>,
}

/// Whether and when a payment is tried again that the account had too little for; always before the next date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StandingOrderRetries)]
pub struct Retries {
    /// How often.
    #[schema(minimum = 0, maximum = 10)]
    pub times: i16,
    /// Seconds between two tries, an hour to a week.
    #[schema(minimum = 3_600, maximum = 604_800, example = 86_400)]
    pub after: i32,
}

/// A merge patch of a standing order (RFC 7396). What it is due by is not changed: that is another order.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingOrderPatch {
    /// From the next payment on.
    #[serde(default)]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub amount: Field<RawAmount>,
    /// For people, up to 500 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub description: Field<String>,
    /// The last day that the rule may name; a weekend rule may move the payment past it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub ends_on: Field<Day>,
    /// After how many dates it ends.
    #[serde(default)]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 2_147_483_647)]
    pub most_runs: Field<i32>,
    /// What happens when the account has too little.
    #[serde(default)]
    #[schema(value_type = Option<Retries>)]
    pub retries: Field<Retries>,
    /// `paused` or `active` again: dates that pass meanwhile are not made up for.
    #[serde(default)]
    #[schema(value_type = Switch, required = false)]
    pub status: Field<Switch>,
}

/// What a patch may make of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StandingOrderSwitch)]
pub enum Switch {
    /// Payments are made.
    Active,
    /// None is.
    Paused,
}

/// A day, `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Day(pub Date);

/// Text that is no day.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a day is YYYY-MM-DD")]
pub struct NoDay;

impl TryFrom<String> for Day {
    type Error = NoDay;

    /// In one spelling only, so that days are in the order of their texts; the calendar's own parser would take times, too.
    fn try_from(text: String) -> Result<Self, NoDay> {
        const LENGTH: usize = "YYYY-MM-DD".len();
        let date = text.parse::<Date>().map_err(|_| NoDay)?;
        if text.len() == LENGTH && date.to_string() == text { Ok(Self(date)) } else { Err(NoDay) }
    }
}

/// A time zone by its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone(pub TimeZone);

/// A name that no time zone has.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no time zone of the IANA database, such as Europe/Madrid")]
pub struct NoZone;

impl TryFrom<String> for Zone {
    type Error = NoZone;

    fn try_from(name: String) -> Result<Self, NoZone> {
        let zone = TimeZone::get(&name).map_err(|_| NoZone)?;
        // A zone without a name could not be found again.
        if zone.iana_name().is_some() { Ok(Self(zone)) } else { Err(NoZone) }
    }
}

impl Zone {
    /// Its name, as the database spells it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl NewStandingOrder {
    /// What each of its payments is, for the checks that a transfer has to pass.
    #[must_use]
    pub fn payment(&self) -> NewTransfer {
        NewTransfer {
            debit_account_id: self.debit_account_id,
            credit_account_id: self.credit_account_id,
            amount: self.amount,
            currency: self.currency,
            description: self.description.clone(),
            external_ref: None,
            metadata: self.metadata.clone(),
            preconditions: None,
            pending: false,
            expires_in: None,
        }
    }

    /// Its schedule; 422 with every fault of texts, rule and bounds.
    pub fn check(&self) -> Result<Schedule, Problem> {
        self.payment().check()?;
        let ends_on = self.ends_on.map(|day| day.0);
        let schedule = Schedule::new(&self.rule, self.zone(), (self.starts_on.0, ends_on));
        let bounds = bounds(self.most_runs, self.retries);
        match (schedule, bounds) {
            (Ok(schedule), Ok(())) => Ok(schedule),
            (Err(faults), Ok(())) => Err(Problem::new(Code::ValidationFailed).errors(faults)),
            (Ok(_), Err(problem)) => Err(problem),
            (Err(faults), Err(problem)) => Err(problem.errors(faults)),
        }
    }

    fn zone(&self) -> TimeZone {
        self.time_zone.0.clone()
    }
}

impl StandingOrderPatch {
    /// Whether it would change anything but the status.
    #[must_use]
    pub fn is_of_owners(&self) -> bool {
        self.amount != Field::Absent
            || self.description != Field::Absent
            || self.ends_on != Field::Absent
            || self.most_runs != Field::Absent
            || self.retries != Field::Absent
    }

    /// 422 with every fault of texts and bounds.
    pub fn check(&self) -> Result<(), Problem> {
        if let Field::Value(text) = &self.description
            && (text.is_empty() || text.chars().count() > MAX_DESCRIPTION || text.chars().any(char::is_control))
        {
            let detail = format!("1 to {MAX_DESCRIPTION} characters, no control characters");
            return Err(Problem::new(Code::ValidationFailed).error("/description", "length", detail));
        }
        let of = |field: Field<i32>| if let Field::Value(value) = field { Some(value) } else { None };
        let retries = if let Field::Value(retries) = self.retries { Some(retries) } else { None };
        bounds(of(self.most_runs), retries)
    }
}

fn bounds(most_runs: Option<i32>, retries: Option<Retries>) -> Result<(), Problem> {
    let wrong = [
        (most_runs.is_some_and(|runs| runs < 1), "/most_runs", "1 or more"),
        (retries.is_some_and(|it| !(0..=MOST_RETRIES).contains(&it.times)), "/retries/times", "0 to 10"),
        (retries.is_some_and(|it| !RETRY_AFTER.contains(&it.after)), "/retries/after", "3600 to 604800 seconds"),
    ];
    let mut wrong = wrong.into_iter().filter(|(is_wrong, ..)| *is_wrong).peekable();
    if wrong.peek().is_none() {
        return Ok(());
    }
    let problem = Problem::new(Code::ValidationFailed);
    Err(wrong.fold(problem, |problem, (_, pointer, detail)| problem.error(pointer, "range", detail)))
}

/// An object: serde would also take an array for a struct, member by member.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    transfers::object(from)?.ok_or_else(|| D::Error::invalid_type(Unexpected::Unit, &"an object"))
}
