//! Operations that left no row: each has to be explained by some moment of the ledger within its window.

use std::collections::BTreeSet;

use super::Scene;
use crate::ledger::checker::Violation;
use crate::ledger::command::Command;
use crate::ledger::history::{Answer, Verdict};
use crate::ledger::model::{Ledger, target};

/// How far a service's clock may be from the clients', in microseconds: all run on one machine.
const SLACK: i64 = 250_000;

/// Those that are still to be explained.
pub(super) struct Floating<'a> {
    scene: &'a Scene<'a>,
    /// Whose window has not begun, the next one last.
    waiting: Vec<usize>,
    /// Whose window has, with what the model said last.
    active: Vec<(usize, Vec<Verdict>)>,
}

impl<'a> Floating<'a> {
    pub(super) fn new(scene: &'a Scene<'a>) -> Self {
        let mut waiting: Vec<_> = (0..scene.ops.len()).filter(|number| leaves_no_row(scene, *number)).collect();
        waiting.sort_by_key(|number| std::cmp::Reverse(scene.windows.of(*number).from));
        Self { scene, waiting, active: Vec::new() }
    }

    /// Explains whatever fits at this moment; what fits at none of its moments is a violation.
    pub(super) fn explain(&mut self, ledger: &mut Ledger, moment: usize, instant: i64) -> Vec<Violation> {
        while let Some(next) = self.waiting.pop_if(|next| self.scene.windows.of(*next).from <= moment) {
            self.active.push((next, Vec::new()));
        }
        let mut found = Vec::new();
        loop {
            let before = self.active.len();
            // Whoever asked after another one had been answered was served after it.
            let first_end = self.active.iter().map(|(number, _)| self.ended(*number)).min().unwrap_or(u64::MAX);
            let scene = self.scene;
            self.active.retain_mut(|(number, said)| {
                if first_end < scene.ops[*number].invoked {
                    return true;
                }
                *said = verdicts(scene, ledger, *number, instant);
                !fits(scene, *number, said)
            });
            if self.active.len() < before {
                continue;
            }
            let late = |number: usize| scene.windows.of(number).to <= moment;
            let Some(at) =
                self.active.iter().position(|(number, _)| late(*number) && first_end >= scene.ops[*number].invoked)
            else {
                return found;
            };
            let (number, said) = self.active.swap_remove(at);
            let op = &scene.ops[number];
            let told = op.end.as_ref().map(|end| &end.answer);
            let window = scene.windows.of(number);
            let what = format!("{:?} was told {told:?}; {said:?} at the end of {window:?}", op.request);
            found.push(Violation::new("unexplained", what));
        }
    }

    fn ended(&self, number: usize) -> u64 {
        self.scene.ops[number].end.as_ref().map_or(u64::MAX, |end| end.at)
    }
}

fn leaves_no_row(scene: &Scene<'_>, number: usize) -> bool {
    let op = &scene.ops[number];
    let (Some(end), None) = (&op.end, scene.windows.span(number)) else { return false };
    match &end.answer {
        Answer::Exchanged { ids, .. } => ids.is_none(),
        Answer::Would(_) | Answer::Stepped | Answer::Looked { .. } | Answer::Balance { .. } | Answer::Linked { .. } => {
            true
        }
        Answer::Refused { code } => code != "idempotency_key_reused",
        Answer::Each { items } => op.request.only_asks() || items.iter().all(Result::is_err),
        Answer::Made { .. } => false,
    }
}

/// What the model says at this moment, at the first and at the last instant that it may have been; of a batch also at each
/// one between at which time ends a hold of its payers: one item may have been judged before, another after.
fn verdicts(scene: &Scene<'_>, ledger: &mut Ledger, number: usize, instant: i64) -> Vec<Verdict> {
    let op = &scene.ops[number];
    let Some(end) = &op.end else { return Vec::new() };
    let from = (scene.history.micros(op.invoked) - SLACK).max(instant);
    let to = (scene.history.micros(end.at) + SLACK).max(from);
    let mut said = ledger.judge(op.request, from);
    let mut instants = match &op.request.command {
        Command::Batch { orders, .. } => ledger.ends(orders.iter().map(|order| &order.debit), (from, to)),
        _ => BTreeSet::new(),
    };
    instants.insert(to);
    for verdict in instants.into_iter().flat_map(|instant| ledger.judge(op.request, instant)) {
        if !said.contains(&verdict) {
            said.push(verdict);
        }
    }
    // A step that was taken is one whose account is there.
    if let (Command::Step { account, step }, Answer::Stepped) = (&op.request.command, &end.answer) {
        let there = ledger.account(account).is_some_and(|account| account.status == target(*step));
        said.retain(|verdict| *verdict != Verdict::Done || there);
    }
    said
}

fn fits(scene: &Scene<'_>, number: usize, said: &[Verdict]) -> bool {
    scene.ops[number].end.as_ref().is_some_and(|end| said.contains(&end.answer.verdict()))
}
