//! Runs as questions that somebody has asked the ledger: so the model judges each payment and each refusal of one.

use super::Standing;
use crate::ledger::command::{Command, Order, Request};
use crate::ledger::history::{Answer, Event, History, What};

/// How far a service's clock may be from the history's, in microseconds: all run on one machine.
const SLACK: i64 = 250_000;

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It posted this transfer.
    Posted(String),
    /// It was declined, with this code.
    Declined(String),
    /// Nobody was there for the date.
    Skipped,
    /// Something else, which no date may end as.
    Other(String),
}

/// An attempt at a date, as its row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The order.
    pub order: String,
    /// The date, by the rule.
    pub due_on: String,
    /// 1, and one more for each retry.
    pub attempt: i32,
    /// What became of it.
    pub state: State,
    /// When it was begun, in microseconds since the epoch.
    pub started_at: i64,
    /// When its outcome was written down.
    pub ended_at: i64,
}

impl Run {
    /// What the ledger was asked. It has no name of its own, so that only the id that the run tells claims a transfer.
    fn request(&self, of: &Standing) -> Request {
        let key = Some(format!("{} {} {}", self.order, self.due_on, self.attempt));
        let command = Command::Transfer(Order::usd(&of.debit, &of.credit, of.amount));
        Request { who: of.owner.clone(), key, dry_run: false, seen: None, command }
    }

    /// What it was told, if it was told anything.
    fn answer(&self) -> Option<What> {
        let (replayed, body) = (false, String::new());
        match &self.state {
            State::Posted(id) => Some(What::Ok { answer: Answer::Made { id: id.clone() }, replayed, body }),
            State::Declined(code) => {
                Some(What::Fail { answer: Answer::Refused { code: code.clone() }, replayed, body })
            }
            State::Skipped | State::Other(_) => None,
        }
    }
}

/// The history with every attempt in it, between the instants that its row names.
#[must_use]
pub fn told(history: &History, orders: &[Standing], runs: &[Run]) -> History {
    let at =
        |micros: i64| u64::try_from(micros.saturating_sub(history.began)).unwrap_or_default().saturating_mul(1_000);
    let mut attempt = history.events.iter().map(|event| event.attempt).max().unwrap_or_default();
    let mut all = history.clone();
    for run in runs {
        let order = orders.iter().find(|order| order.id == run.order);
        let (Some(order), Some(answer)) = (order, run.answer()) else { continue };
        attempt += 1;
        let request = run.request(order);
        all.events.push(Event { attempt, at: at(run.started_at - SLACK), what: What::Invoke { request } });
        all.events.push(Event { attempt, at: at(run.ended_at + SLACK), what: answer });
    }
    // Stable: a question stays before its answer.
    all.events.sort_by_key(|event| event.at);
    all
}
