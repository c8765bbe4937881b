//! Bodies of POST and PATCH of standing orders: parsed once, or refused with a pointer.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use shared::domain::{AccountId, Currency};
use shared::http::patch::Field;
use shared::problem::{Code, FieldError, Problem};
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
    /// Whose clocks the rule means: a name of the IANA time zone database.
    #[schema(example = "Europe/Madrid")]
    pub time_zone: String,
    /// The first day that the rule may name, `YYYY-MM-DD`; a weekend rule may move the payment before it.
    #[schema(format = Date, example = "2026-12-01")]
    pub starts_on: String,
    /// The last day that the rule may name; a weekend rule may move the payment past it. Absent: none.
    #[serde(default)]
    #[schema(format = Date, example = "2027-11-30")]
    pub ends_on: Option<String>,
    /// When it is due.
    // The last of those that have to be there: no filler stands for it when the body's other faults are looked for.
    #[serde(deserialize_with = "object")]
    pub rule: Rule,
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

/// A merge patch of retries: a member that is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StandingOrderRetriesPatch)]
pub struct RetriesPatch {
    /// How often.
    #[serde(default)]
    #[schema(value_type = i16, required = false, minimum = 0, maximum = 10)]
    pub times: Field<i16>,
    /// Seconds between two tries, an hour to a week.
    #[serde(default)]
    #[schema(value_type = i32, required = false, minimum = 3_600, maximum = 604_800, example = 86_400)]
    pub after: Field<i32>,
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
    pub ends_on: Field<String>,
    /// After how many dates it ends.
    #[serde(default)]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 2_147_483_647)]
    pub most_runs: Field<i32>,
    /// What happens when the account has too little; `null`: nothing more on that date.
    #[serde(default, deserialize_with = "patched")]
    #[schema(value_type = Option<RetriesPatch>)]
    pub retries: Field<RetriesPatch>,
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

/// A day, in one spelling only, so that days are in the order of their texts; the calendar's own parser would take times,
/// too.
fn day(text: &str) -> Option<Date> {
    const LENGTH: usize = "YYYY-MM-DD".len();
    text.parse::<Date>().ok().filter(|date| text.len() == LENGTH && date.to_string() == text)
}

/// A time zone by its name. One without a name could not be found again.
fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some())
}

fn invalid(pointer: &'static str, detail: &'static str) -> FieldError {
    FieldError { pointer: pointer.into(), code: "invalid".into(), detail: detail.into() }
}

fn no_day(pointer: &'static str) -> FieldError {
    invalid(pointer, "a day is YYYY-MM-DD")
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
        let retries = self.retries.map_or((None, None), |it| (Some(it.times), Some(it.after)));
        let (schedule, bounds) = (self.schedule(), bounds(self.most_runs, retries));
        match (schedule, bounds) {
            (Ok(schedule), Ok(())) => Ok(schedule),
            (Err(faults), Ok(())) => Err(Problem::new(Code::ValidationFailed).errors(faults)),
            (Ok(_), Err(problem)) => Err(problem),
            (Err(faults), Err(problem)) => Err(problem.errors(faults)),
        }
    }

    fn schedule(&self) -> Result<Schedule, Vec<FieldError>> {
        let (zone, starts_on) = (zone(&self.time_zone), day(&self.starts_on));
        let ends_on = self.ends_on.as_deref().map(day);
        if let (Some(zone), Some(starts_on), None | Some(Some(_))) = (&zone, starts_on, ends_on) {
            return Schedule::new(&self.rule, zone.clone(), (starts_on, ends_on.flatten()));
        }
        let no_zone = || invalid("/time_zone", "no time zone of the IANA database, such as Europe/Madrid");
        let faults = [
            zone.is_none().then(no_zone),
            starts_on.is_none().then(|| no_day("/starts_on")),
            (ends_on == Some(None)).then(|| no_day("/ends_on")),
        ];
        Err(faults.into_iter().flatten().collect())
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
        if let Field::Value(end) = &self.ends_on
            && day(end).is_none()
        {
            return Err(Problem::new(Code::ValidationFailed).errors([no_day("/ends_on")]));
        }
        let most_runs = if let Field::Value(most) = self.most_runs { Some(most) } else { None };
        let RetriesPatch { times, after } =
            if let Field::Value(patch) = self.retries { patch } else { RetriesPatch::default() };
        bounds(most_runs, (times.required("/retries/times")?, after.required("/retries/after")?))
    }
}

fn bounds(most_runs: Option<i32>, (times, after): (Option<i16>, Option<i32>)) -> Result<(), Problem> {
    let wrong = [
        (most_runs.is_some_and(|runs| runs < 1), "/most_runs", "1 or more"),
        (times.is_some_and(|times| !(0..=MOST_RETRIES).contains(&times)), "/retries/times", "0 to 10"),
        (after.is_some_and(|after| !RETRY_AFTER.contains(&after)), "/retries/after", "3600 to 604800 seconds"),
    ];
    let mut wrong = wrong.into_iter().filter(|(is_wrong, ..)| *is_wrong).peekable();
    if wrong.peek().is_none() {
        return Ok(());
    }
    let problem = Problem::new(Code::ValidationFailed);
    Err(wrong.fold(problem, |problem, (_, pointer, detail)| problem.error(pointer, "range", detail)))
}

/// An object or `null`, as a member of a patch.
fn patched<'de, D: Deserializer<'de>>(from: D) -> Result<Field<RetriesPatch>, D::Error> {
    Ok(transfers::object(from)?.map_or(Field::Null, Field::Value))
}

/// An object: serde would also take an array for a struct, member by member.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    transfers::object(from)?.ok_or_else(|| D::Error::invalid_type(Unexpected::Unit, &"an object"))
}
