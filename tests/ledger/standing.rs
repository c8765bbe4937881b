//! The judge of standing orders believes what is right, and sees each thing that can be wrong.

use jiff::ToSpan;
use jiff::civil::{Date, date};
use tests::ledger::History;
use tests::ledger::command::Order;
use tests::ledger::history::{Answer, Event};
use tests::ledger::standing::{Kept, Rule, Run, Standing, State, judge, told};

use super::mirror::{Mirror, alone, fund, stage};

/// The last day on which anything is due.
const UNTIL: Date = date(2027, 1, 15);
/// Orders, by their places.
const RENT: usize = 0;
const POOR: usize = 1;
const LATE: usize = 2;

/// One that is paid, one that there is too little for, and one that nobody was there for, for long.
struct World {
    mirror: Mirror,
    orders: Vec<Standing>,
    kept: Vec<Kept>,
    runs: Vec<Run>,
}

impl World {
    /// The rent has been paid on so many of its four dates.
    fn with(paid: usize) -> Self {
        let stage = stage();
        let mut mirror = Mirror::new(&stage);
        fund(&mut mirror, &stage);
        let order = |number: usize, debit: &str, amount, rule, days: i32| Standing {
            id: format!("order {number}"),
            name: format!("standing order {number}"),
            owner: stage.customers[0].clone(),
            debit: debit.to_owned(),
            credit: "usd-1".to_owned(),
            amount,
            rule,
            starts_on: UNTIL - days.days(),
            most_runs: None,
            retries: 2,
        };
        let orders = vec![
            order(RENT, "usd-0", 100, Rule::Days(1), 3),
            order(POOR, "usd-3", 700, Rule::Weeks(1), 0),
            order(LATE, "usd-6", 1, Rule::Days(1), 32),
        ];
        let kept = |(order, (next, runs)): (&Standing, (Date, usize))| Kept {
            id: order.id.clone(),
            status: "active".to_owned(),
            next_due_on: Some(next.to_string()),
            next_attempt: 1,
            runs,
        };
        let tomorrow = UNTIL + 1.day();
        let kept = orders.iter().zip([(tomorrow, 4), (UNTIL + 7.days(), 1), (tomorrow, 33)]).map(kept).collect();
        let mut world = Self { mirror, orders, kept, runs: Vec::new() };
        for day in world.orders[RENT].dates(UNTIL).into_iter().take(paid) {
            world.pay(RENT, day, 1);
        }
        (1..=3).for_each(|attempt| world.pay(POOR, UNTIL, attempt));
        for (number, day) in world.orders[LATE].dates(UNTIL).into_iter().enumerate() {
            if number < 2 {
                world.say(LATE, day, (1, State::Skipped));
            } else {
                world.pay(LATE, day, 1);
            }
        }
        world
    }

    /// Has the ledger pay, and writes the run down: clients know nothing of it.
    fn pay(&mut self, order: usize, day: Date, attempt: i32) {
        self.pay_as(order, (day, attempt), self.orders[order].amount);
    }

    fn pay_as(&mut self, order: usize, (day, attempt): (Date, i32), amount: i64) {
        let Standing { id, name, owner, debit, credit, .. } = &self.orders[order];
        let asked = Order::usd(debit, credit, amount).tagged(name);
        let before = self.mirror.history.events.len();
        let answer = self.mirror.ask(&alone(owner, &format!("{id} {day} {attempt}"), asked));
        let state = match answer {
            Answer::Made { id } => State::Posted(id),
            Answer::Refused { code } => State::Declined(code),
            other => unreachable!("a transfer is made or refused: {other:?}"),
        };
        let events = self.mirror.history.events.split_off(before);
        let at = |event: &Event| self.mirror.history.micros(event.at);
        let [started_at, ended_at] = [at(&events[0]), at(&events[1])];
        let order = id.clone();
        self.runs.push(Run { order, due_on: day.to_string(), attempt, state, started_at, ended_at });
    }

    /// Writes a run down that the ledger knows nothing of.
    fn say(&mut self, order: usize, day: Date, (attempt, state): (i32, State)) {
        let now = self.mirror.history.micros(self.mirror.history.events.last().expect("funds").at);
        let order = self.orders[order].id.clone();
        self.runs.push(Run { order, due_on: day.to_string(), attempt, state, started_at: now, ended_at: now });
    }

    fn run(&mut self, order: usize, day: Date) -> &mut Run {
        let (order, day) = (self.orders[order].id.clone(), day.to_string());
        self.runs.iter_mut().rfind(|run| run.order == order && run.due_on == day).expect("it was written down")
    }

    /// The last run of a date was never written down.
    fn forget(&mut self, order: usize, day: Date) {
        let gone = self.run(order, day).clone();
        self.runs.retain(|run| *run != gone);
    }

    /// What the judge and the model find.
    fn found(mut self) -> Vec<&'static str> {
        let made: Vec<_> = self.mirror.record.transfers().collect();
        let mut found = judge(&self.orders, &self.kept, &self.runs, &made, UNTIL);
        let all: History = told(&self.mirror.history, &self.orders, &self.runs);
        self.mirror.history = all;
        found.extend(self.mirror.judged().violations);
        let mut names: Vec<_> = found.iter().map(|violation| violation.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// What is found where `how` was done to a world in which the rent has been paid on so many dates.
fn after(paid: usize, how: impl FnOnce(&mut World)) -> Vec<&'static str> {
    let mut world = World::with(paid);
    how(&mut world);
    world.found()
}

#[test]
fn the_judge_believes_what_is_right() {
    assert_eq!(after(4, |_| {}), Vec::<&str>::new());
}

#[test]
fn the_judge_sees_a_date_that_is_paid_twice() {
    let twice = |world: &mut World| world.pay(RENT, UNTIL, 2);
    assert_eq!(after(4, twice), ["date_paid_twice", "tried_in_vain"]);
    let unseen = |world: &mut World| {
        world.pay(RENT, UNTIL, 2);
        world.runs.pop();
    };
    assert_eq!(after(4, unseen), ["key_of_nothing", "paid_by_no_run", "phantom"]);
    let of_another = |world: &mut World| {
        let paid = world.run(RENT, UNTIL - 1.day()).state.clone();
        world.say(RENT, UNTIL, (1, paid));
    };
    assert_eq!(after(3, of_another), ["key_lost", "lost", "named_twice"]);
    let again = |world: &mut World| world.run(LATE, UNTIL).attempt = 2;
    assert_eq!(after(4, again), ["attempts_counted"]);
}

#[test]
fn the_judge_sees_a_date_that_is_left_out() {
    assert_eq!(after(3, |_| {}), ["date_left_out"]);
    let forgotten = |world: &mut World| world.forget(RENT, UNTIL - 3.days());
    assert_eq!(after(4, forgotten), ["date_left_out", "key_of_nothing", "paid_by_no_run", "phantom"]);
    let skipped = |world: &mut World| world.say(RENT, UNTIL, (1, State::Skipped));
    assert_eq!(after(3, skipped), ["date_ends_so"]);
    let running = |world: &mut World| world.say(RENT, UNTIL, (1, State::Other("running".to_owned())));
    assert_eq!(after(3, running), ["date_ends_so"]);
    let early = |world: &mut World| world.pay(RENT, UNTIL + 1.day(), 1);
    assert_eq!(after(4, early), ["date_not_due"]);
    let too_old = |world: &mut World| {
        world.forget(LATE, UNTIL - 32.days());
        world.pay(LATE, UNTIL - 32.days(), 1);
    };
    assert_eq!(after(4, too_old), ["date_ends_so"]);
}

#[test]
fn the_judge_sees_a_run_without_its_transfer() {
    let lost = |world: &mut World| world.say(RENT, UNTIL, (1, State::Posted("nothing".to_owned())));
    assert_eq!(after(3, lost), ["key_lost", "lost"]);
    let other = |world: &mut World| world.pay_as(RENT, (UNTIL, 1), 99);
    assert_eq!(after(3, other), ["altered", "not_as_the_model"]);
}

#[test]
fn the_judge_sees_a_refusal_without_a_reason() {
    let refused = |world: &mut World| {
        world.mirror.stray_keys = 1;
        world.say(RENT, UNTIL - 1.day(), (1, State::Declined("insufficient_funds".to_owned())));
        world.pay(RENT, UNTIL, 1);
    };
    assert_eq!(after(2, refused), ["unexplained"]);
    let not_again = |world: &mut World| {
        world.forget(POOR, UNTIL);
        world.mirror.stray_keys = -1;
    };
    assert_eq!(after(4, not_again), ["not_tried_again"]);
    assert_eq!(after(4, |world| world.pay(POOR, UNTIL, 4)), ["tried_in_vain"]);
}

#[test]
fn the_judge_sees_an_order_that_says_otherwise() {
    let stuck = |world: &mut World| world.kept[RENT].next_due_on = Some(UNTIL.to_string());
    assert_eq!(after(4, stuck), ["order_kept_otherwise"]);
    let tried = |world: &mut World| world.kept[POOR].next_attempt = 2;
    assert_eq!(after(4, tried), ["order_kept_otherwise"]);
    assert_eq!(after(4, |world| drop(world.kept.pop())), ["order_lost"]);
    let nobodys = |world: &mut World| drop(world.orders.remove(RENT));
    assert_eq!(after(4, nobodys), ["key_of_nothing", "phantom", "run_of_no_order"]);
}

#[test]
fn the_dates_of_a_rule_are_those_of_a_calendar() {
    let dates = |rule, starts_on, most_runs| {
        let World { orders, .. } = World::with(0);
        let order = Standing { rule, starts_on, most_runs, ..orders[RENT].clone() };
        order.dates(UNTIL).iter().map(Date::to_string).collect::<Vec<_>>()
    };
    assert_eq!(dates(Rule::Days(5), date(2027, 1, 2), None), ["2027-01-02", "2027-01-07", "2027-01-12"]);
    assert_eq!(dates(Rule::Days(1), date(2026, 12, 31), Some(2)), ["2026-12-31", "2027-01-01"]);
    assert_eq!(dates(Rule::Weeks(2), date(2026, 12, 18), None), ["2026-12-18", "2027-01-01", "2027-01-15"]);
    assert_eq!(dates(Rule::Months(31), date(2026, 10, 31), None), ["2026-10-31", "2026-11-30", "2026-12-31"]);
    assert_eq!(dates(Rule::Months(30), date(2024, 2, 1), Some(2)), ["2024-02-29", "2024-03-30"]);
    // A Friday, and the Monday after it.
    assert_eq!(dates(Rule::Workdays, date(2027, 1, 8), Some(2)), ["2027-01-08", "2027-01-11"]);
    assert_eq!(dates(Rule::Days(1), UNTIL + 1.day(), None), Vec::<String>::new());
}
