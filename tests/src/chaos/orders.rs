//! Standing orders among the load: made through the API, many dates of each due at once, and paid by whichever process is
//! alive while everything breaks.

mod watch;

use std::time::Duration;

use futures_util::future::join_all;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;
use shared::clock::Clock;

use super::fleet::Fleet;
use crate::backends::BackendError;
use crate::ledger::driver::Door;
use crate::ledger::generator::{Place, Stage};
use crate::ledger::standing::{Rule, Standing};

pub use self::watch::Tally;
pub(super) use self::watch::Watch;

/// Where an order's money comes from.
#[derive(Debug, Clone, Copy)]
enum From {
    /// An account of its own, with so much in it: whatever is declined there is known beforehand.
    Own(i64),
    /// What the first order of the set pays into: there is enough when that one has paid all.
    First,
    /// An account that clients pay from, too; of every other set one that is frozen now and then.
    Clients,
}

/// An order of a set.
struct Sort {
    rule: Rule,
    /// How many days before the last date that has come it starts.
    days: i32,
    amount: i64,
    from: From,
    most_runs: Option<usize>,
    retries: usize,
}

/// The orders of a set: each in time and with money enough, but for those that say otherwise.
const SET: [Sort; 8] = [
    Sort { rule: Rule::Days(1), days: 11, amount: 5, from: From::Own(60), most_runs: None, retries: 0 },
    Sort { rule: Rule::Weeks(1), days: 63, amount: 7, from: From::Own(70), most_runs: None, retries: 3 },
    Sort { rule: Rule::Months(31), days: 250, amount: 9, from: From::Own(90), most_runs: None, retries: 0 },
    // Enough for three.
    Sort { rule: Rule::Workdays, days: 13, amount: 10, from: From::Own(30), most_runs: None, retries: 2 },
    Sort { rule: Rule::Days(3), days: 30, amount: 4, from: From::Own(20), most_runs: Some(5), retries: 0 },
    Sort { rule: Rule::Days(2), days: 20, amount: 400, from: From::Clients, most_runs: None, retries: 1 },
    // Tried again until the first order of the set has paid twelve times.
    Sort { rule: Rule::Weeks(2), days: 0, amount: 60, from: From::First, most_runs: None, retries: 10 },
    // Five more dates than are made up for.
    Sort { rule: Rule::Days(1), days: 35, amount: 3, from: From::Own(93), most_runs: None, retries: 0 },
];

/// The accounts of the stage that sets pay from, the first of them: those before it are hot, or have a limit.
const FIRST_PAYER: usize = 4;

/// All orders of a run.
#[derive(Debug)]
pub(super) struct Orders {
    all: Vec<Standing>,
    /// The last day on which anything is due.
    until: Date,
}

impl Orders {
    /// Makes so many sets of orders; nothing is due yet.
    ///
    /// # Panics
    /// When the ledger refuses.
    pub(super) async fn make(door: &Door, stage: &Stage, sets: usize) -> Self {
        let (until, at) = hours_away(Clock::system().now_micros());
        let all = join_all((0..sets).map(|set| make_set(door, stage, (until, &at), set))).await;
        Self { all: all.into_iter().flatten().collect(), until }
    }

    /// Puts every order back to its first date, one after the other through all of the time, so that there is something to
    /// pay whenever something breaks.
    pub(super) async fn release(&self, fleet: &Fleet, lasts: Duration) -> Result<(), BackendError> {
        let mut connection = fleet.connection().await?;
        sqlx::query("BEGIN").execute(&mut connection).await?;
        let now = Clock::system().now_micros();
        let each = lasts / u32::try_from(self.all.len()).unwrap_or(u32::MAX).max(1);
        for (order, number) in self.all.iter().zip(0..) {
            let first = order.dates(self.until).first().map(Date::to_string);
            let due = now + i64::try_from((each * number).as_micros()).unwrap_or_default();
            let sql = "UPDATE standing_orders SET next_due_on = $1, next_at = $2 WHERE id = $3::uuid";
            sqlx::query(sql).bind(first).bind(due).bind(&order.id).execute(&mut connection).await?;
        }
        sqlx::query("COMMIT").execute(&mut connection).await?;
        Ok(())
    }
}

async fn make_set(door: &Door, stage: &Stage, (until, at): (Date, &str), set: usize) -> Vec<Standing> {
    let owner = &stage.customers[set % stage.customers.len()];
    let pot = door.open_with(stage, owner, 0).await;
    let mut all = Vec::with_capacity(SET.len());
    for (number, sort) in SET.iter().enumerate() {
        let payer = match sort.from {
            From::Own(money) => door.open_with(stage, owner, money).await,
            From::First => pot.clone(),
            From::Clients => of_clients(stage, set).clone(),
        };
        let credit = if number == 0 { &pot.id } else { &stage.places[set % 2].id };
        let mut order = Standing {
            id: String::new(),
            name: format!("standing order {set}/{number}"),
            owner: payer.owner,
            debit: payer.id,
            credit: credit.clone(),
            amount: sort.amount,
            rule: sort.rule,
            starts_on: until.saturating_sub(sort.days.days()),
            most_runs: sort.most_runs,
            retries: sort.retries,
        };
        order.id = made(door, &order, at).await;
        all.push(order);
    }
    all
}

fn of_clients(stage: &Stage, set: usize) -> &Place {
    if set % 2 == 1 { &stage.changing } else { &stage.places[FIRST_PAYER + set % (stage.places.len() - FIRST_PAYER)] }
}

/// A time of day that is twelve hours away from this one, and the last day on which it has come: no date comes while
/// things break, and none is so near that nothing would be tried again before it.
fn hours_away(now: i64) -> (Date, String) {
    let now = Timestamp::from_microsecond(now).unwrap_or_default().to_zoned(TimeZone::UTC).datetime();
    let (today, hour) = (now.date(), now.hour());
    let has_come = hour >= 12;
    let until = if has_come { today } else { today.saturating_sub(1.day()) };
    (until, format!("{:02}:00", if has_come { hour - 12 } else { hour + 12 }))
}

async fn made(door: &Door, order: &Standing, at: &str) -> String {
    let answer = door.call(&order.owner, ("POST", "/standing-orders"), &[], Some(order.body(at))).await;
    let answer = answer.unwrap_or_else(|error| panic!("no order: {error}"));
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    assert_eq!(answer.status, 201, "{json}");
    json["id"].as_str().expect("an id").to_owned()
}
