//! Limits as the API takes and shows them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use shared::domain::MAX_AMOUNT;
use shared::problem::{Code, Problem};
use shared::wire::RawAmount;
use utoipa::ToSchema;

use crate::posting::{Limit, Window};

/// Limits of one account.
const MAX_LIMITS: usize = 8;

/// Seconds of a window: a minute to 366 days.
const WINDOW: std::ops::RangeInclusive<i128> = 60..=31_622_400;

/// All limits of an account; what is not among them is taken away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLimits {
    /// Up to 8, each of another window.
    #[schema(max_items = 8)]
    pub limits: Vec<NewLimit>,
}

/// What may go out within a window.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLimit {
    /// Its length in seconds, 60 to 31622400 (366 days). It slides: any stretch of this length counts.
    #[schema(value_type = i64, minimum = 60, maximum = 31_622_400, example = 86_400)]
    pub window: RawAmount,
    /// At most so many minor units, 0 to 9007199254740991.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 100_000)]
    pub amount: Option<RawAmount>,
    /// At most so many debits, 0 to 9007199254740991.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 9_007_199_254_740_991_i64, example = 20)]
    pub count: Option<RawAmount>,
}

impl NewLimits {
    /// The limits, or 422 with everything that is wrong with them.
    pub fn read(&self) -> Result<Vec<Limit>, Problem> {
        let mut faults = Vec::new();
        if self.limits.len() > MAX_LIMITS {
            faults.push(("/limits".to_owned(), "length", format!("at most {MAX_LIMITS} limits")));
        }
        let mut windows = HashSet::new();
        let mut limits = Vec::new();
        for (n, new) in self.limits.iter().enumerate().take(MAX_LIMITS) {
            let at = |member: &str| format!("/limits/{n}{member}");
            if !WINDOW.contains(&new.window.get()) {
                let detail = format!("{} to {} seconds", WINDOW.start(), WINDOW.end());
                faults.push((at("/window"), "range", detail));
            } else if !windows.insert(new.window.get()) {
                faults.push((at("/window"), "unique", "another limit has this window".to_owned()));
            }
            if new.amount.is_none() && new.count.is_none() {
                faults.push((at(""), "required", "an amount, a count or both".to_owned()));
            }
            let mut most = |member: &str, value: Option<RawAmount>| {
                let within = |value: &i64| (0..=MAX_AMOUNT).contains(value);
                let most = value.map(|value| i64::try_from(value.get()).ok().filter(within));
                if most == Some(None) {
                    faults.push((at(member), "range", format!("0 to {MAX_AMOUNT}")));
                }
                most.flatten()
            };
            let (amount, count) = (most("/amount", new.amount), most("/count", new.count));
            limits.push(Limit { seconds: i32::try_from(new.window.get()).unwrap_or_default(), amount, count });
        }
        if faults.is_empty() {
            return Ok(limits);
        }
        let refused = Problem::new(Code::ValidationFailed);
        Err(faults.into_iter().fold(refused, |refused, (pointer, rule, detail)| refused.error(pointer, rule, detail)))
    }
}

/// The limits of an account with what is used of each.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Limits {
    /// The shortest window first.
    pub limits: Vec<LimitBody>,
}

/// A limit, as the API shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Limit)]
pub struct LimitBody {
    /// The window's length in seconds.
    #[schema(example = 86_400)]
    pub window: i32,
    /// At most so many minor units; `null`: any number.
    #[schema(example = 100_000)]
    pub amount: Option<i64>,
    /// At most so many debits; `null`: any number.
    #[schema(example = 20)]
    pub count: Option<i64>,
    /// What counts now.
    pub used: UsedBody,
}

/// What counts against a limit.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = Used)]
pub struct UsedBody {
    /// Minor units.
    #[schema(example = 2_500)]
    pub amount: i64,
    /// Debits.
    #[schema(example = 1)]
    pub count: i64,
}

impl Limits {
    /// As they stand at `now`.
    #[must_use]
    pub fn of(mut windows: Vec<Window>, now: i64) -> Self {
        windows.sort_unstable_by_key(|window| window.limit.seconds);
        let body = |window: Window| {
            let (limit, used) = (window.limit, window.used(now));
            LimitBody {
                window: limit.seconds,
                amount: limit.amount,
                count: limit.count,
                used: UsedBody { amount: used.amount, count: used.count },
            }
        };
        Self { limits: windows.into_iter().map(body).collect() }
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use shared::problem::Context;

    use super::*;

    fn read(text: &str) -> Result<Vec<Limit>, Vec<String>> {
        let new: NewLimits = serde_json::from_str(text).unwrap();
        new.read().map_err(|problem| {
            let body: serde_json::Value = serde_json::from_slice(&problem.body(&Context::current())).unwrap();
            let errors = body["errors"].as_array().unwrap().iter();
            errors.map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
        })
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let day = Limit { seconds: 86_400, amount: Some(5), count: None };
        assert_eq!(read(r#"{"limits": [{"window": 86400, "amount": 5}]}"#), Ok(vec![day]));
        assert_eq!(read(r#"{"limits": []}"#), Ok(vec![]));
        let bad = r#"{"limits": [{"window": 59, "count": 1}, {"window": 60}, {"window": 60, "amount": -1},
            {"window": 99999999999, "amount": 9007199254740992, "count": 9007199254740991}]}"#;
        let pointers = [
            "/limits/0/window",
            "/limits/1",
            "/limits/2/window",
            "/limits/2/amount",
            "/limits/3/window",
            "/limits/3/amount",
        ];
        assert_eq!(read(bad), Err(pointers.map(str::to_owned).to_vec()));
        let many: Vec<_> = (60..69).map(|window| format!(r#"{{"window": {window}, "count": 1}}"#)).collect();
        assert_eq!(read(&format!(r#"{{"limits": [{}]}}"#, many.join(","))), Err(vec!["/limits".to_owned()]));
    }
}
