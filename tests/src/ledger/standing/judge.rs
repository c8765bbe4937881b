//! Whether each date of an order has one outcome, and each outcome what belongs to it.

use std::collections::{BTreeMap, HashMap};

use jiff::ToSpan;
use jiff::civil::Date;

use super::{Kept, MOST_MISSED, Run, Standing, State};
use crate::ledger::checker::Violation;
use crate::ledger::record::Made;

/// The one refusal that a retry may cure.
const TOO_LITTLE: &str = "insufficient_funds";

/// Further than any rule lies from one date to the next, in days.
const FAR: i32 = 400;

/// Judges all runs and all transfers of orders, when nothing is due any more: `until` is the last day on which anything was.
#[must_use]
pub fn judge(orders: &[Standing], kept: &[Kept], runs: &[Run], made: &[&Made], until: Date) -> Vec<Violation> {
    let mut found = Vec::new();
    for order in orders {
        let own: Vec<_> = runs.iter().filter(|run| run.order == order.id).collect();
        let case = Case { order, dates: order.dates(until), until };
        found.extend(case.dates(&own));
        found.extend(case.kept(kept.iter().find(|kept| kept.id == order.id)));
    }
    found.extend(transfers(orders, runs, made));
    found
}

/// An order with the dates that have come.
struct Case<'a> {
    order: &'a Standing,
    dates: Vec<Date>,
    until: Date,
}

impl Case<'_> {
    fn find(&self, name: &'static str, what: String) -> Violation {
        Violation::new(name, format!("{what}: {:?}", self.order))
    }

    /// Exactly the dates by the rule, each with its attempts.
    fn dates(&self, own: &[&Run]) -> Vec<Violation> {
        let mut by_date: BTreeMap<&str, Vec<&Run>> = BTreeMap::new();
        own.iter().for_each(|run| by_date.entry(&run.due_on).or_default().push(run));
        let mut found = Vec::new();
        for (number, date) in self.dates.iter().enumerate() {
            match by_date.remove(date.to_string().as_str()) {
                Some(attempts) => found.extend(self.date((number, *date), attempts)),
                None => found.push(self.find("date_left_out", format!("nothing came of {date}"))),
            }
        }
        found.extend(by_date.keys().map(|date| self.find("date_not_due", format!("{date} is none of its dates"))));
        found
    }

    /// A date is posted once, declined for good, or was missed too long ago; nothing comes after that.
    fn date(&self, (number, date): (usize, Date), mut attempts: Vec<&Run>) -> Vec<Violation> {
        attempts.sort_by_key(|run| run.attempt);
        let mut found = Vec::new();
        if !attempts.iter().zip(1..).all(|(run, number)| run.attempt == number) {
            found.push(self.find("attempts_counted", format!("{attempts:?}")));
        }
        if attempts.iter().filter(|run| matches!(run.state, State::Posted(_))).count() > 1 {
            found.push(self.find("date_paid_twice", format!("{attempts:?}")));
        }
        let Some((last, before)) = attempts.split_last() else { return found };
        let tried_again = |run: &&&Run| matches!(&run.state, State::Declined(code) if code == TOO_LITTLE);
        let most = if self.is_followed(date) { 1 } else { 1 + self.order.retries };
        if !before.iter().all(|run| tried_again(&run)) || attempts.len() > most {
            found.push(self.find("tried_in_vain", format!("{attempts:?}")));
        }
        if tried_again(&last) && attempts.len() < most {
            found.push(self.find("not_tried_again", format!("{attempts:?}")));
        }
        let too_old = number + MOST_MISSED < self.dates.len();
        let sound = match &last.state {
            State::Posted(_) | State::Declined(_) => !too_old,
            State::Skipped => too_old,
            State::Other(_) => false,
        };
        if !sound {
            found.push(self.find("date_ends_so", format!("{date} of {}: {last:?}", self.dates.len())));
        }
        found
    }

    /// Whether the next date by the rule has come as well: then nothing is tried again.
    fn is_followed(&self, date: Date) -> bool {
        let unbounded = Standing { most_runs: None, ..self.order.clone() };
        unbounded.dates(self.until).last().is_some_and(|last| *last > date)
    }

    /// What the order's own row says of it.
    fn kept(&self, kept: Option<&Kept>) -> Vec<Violation> {
        let Some(kept) = kept else { return vec![self.find("order_lost", "it is not there".to_owned())] };
        let far = self.until.saturating_add(FAR.days());
        let next = self.order.dates(far).get(self.dates.len()).map(Date::to_string);
        let status = if next.is_some() { "active" } else { "ended" };
        let expected = Kept {
            id: self.order.id.clone(),
            status: status.to_owned(),
            next_due_on: next,
            next_attempt: 1,
            runs: self.dates.len(),
        };
        let off = *kept != expected;
        off.then(|| self.find("order_kept_otherwise", format!("{kept:?} instead of {expected:?}")))
            .into_iter()
            .collect()
    }
}

/// A run that posted names a transfer of its order's; each transfer of an order is named once.
fn transfers(orders: &[Standing], runs: &[Run], made: &[&Made]) -> Vec<Violation> {
    let mut found = Vec::new();
    let by_id: HashMap<&str, &Made> = made.iter().map(|made| (made.id.as_str(), *made)).collect();
    let by_name: HashMap<&str, &Standing> = orders.iter().map(|order| (order.name.as_str(), order)).collect();
    let mut named: HashMap<&str, &Run> = HashMap::new();
    for run in runs {
        let State::Posted(id) = &run.state else { continue };
        let order = orders.iter().find(|order| order.id == run.order);
        match (order, by_id.get(id.as_str())) {
            (None, _) => found.push(Violation::new("run_of_no_order", format!("{run:?}"))),
            (Some(_), None) => found.push(Violation::new("lost", format!("{run:?} posted what is not there"))),
            (Some(order), Some(made)) if is_of(order, made) => {}
            (Some(_), Some(made)) => found.push(Violation::new("altered", format!("{run:?} posted {made:?}"))),
        }
        if let Some(other) = named.insert(id, run) {
            found.push(Violation::new("named_twice", format!("{other:?} and {run:?}")));
        }
    }
    let of_orders = made.iter().filter(|made| made.tag.as_deref().is_some_and(|name| by_name.contains_key(name)));
    let of_orders = of_orders.filter(|made| made.pending_of.is_none() && made.reversal_of.is_none());
    let nobodys = of_orders.filter(|made| !named.contains_key(made.id.as_str()));
    found.extend(nobodys.map(|made| Violation::new("paid_by_no_run", format!("{made:?}"))));
    found
}

fn is_of(order: &Standing, made: &Made) -> bool {
    let (parties, money) = ((&made.debit, &made.credit, &made.by), (made.amount, made.currency.as_str()));
    let alike = parties == (&order.debit, &order.credit, &order.owner.user) && money == (order.amount, "USD");
    alike && made.status == "posted" && made.tag.as_deref() == Some(&order.name)
}
