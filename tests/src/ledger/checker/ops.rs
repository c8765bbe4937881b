//! From attempts to operations: what was asked under one key is one, however often it was tried.

use std::collections::{BTreeMap, HashMap};

use super::Violation;
use crate::ledger::command::{Caller, Request};
use crate::ledger::history::{Answer, History, What};
use crate::ledger::model::is_frozen;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// What was told.
    pub answer: Answer,
    /// Whether it was told as a replay.
    pub replayed: bool,
    /// A digest of the body.
    pub body: String,
    /// When.
    pub at: u64,
}

/// One request that either happens or does not, with everything that was learned of it.
#[derive(Debug, Clone)]
pub struct Op<'a> {
    /// What was asked.
    pub request: &'a Request,
    /// When it was asked first.
    pub invoked: u64,
    /// The first definite answer; none: nobody knows.
    pub end: Option<End>,
    /// Whether an attempt of it never ended with an answer.
    pub unknown: bool,
    /// Whether the answer is kept under its key.
    pub frozen: bool,
}

/// An operation is known by its key; what has none, or leaves nothing under it, by its attempt.
type Place<'a> = (Option<(&'a Caller, &'static str, &'a str)>, &'a Request, Option<u64>);

struct Attempt<'a> {
    number: u64,
    request: &'a Request,
    invoked: u64,
    end: Option<End>,
}

/// Groups the history, and finds what is wrong with answers under one key.
pub fn gather(history: &History) -> (Vec<Op<'_>>, Vec<Violation>) {
    let mut violations = Vec::new();
    let mut groups: HashMap<Place<'_>, Vec<Attempt<'_>>> = HashMap::new();
    for attempt in attempts(history, &mut violations) {
        let key = attempt.request.key.as_deref();
        let scope = key.map(|key| (&attempt.request.who, attempt.request.route(), key));
        let kept = attempt.end.as_ref().is_none_or(|end| is_frozen(attempt.request, &end.answer.verdict()));
        let alone = (scope.is_none() || !kept).then_some(attempt.number);
        groups.entry((scope, attempt.request, alone)).or_default().push(attempt);
    }
    let mut ops = Vec::with_capacity(groups.len());
    let mut keys: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for ((scope, request, _), group) in groups {
        if let Some(scope) = scope {
            keys.entry(scope).or_default().push(ops.len());
        }
        violations.extend(differences(&group, history.mediated));
        ops.push(operation(request, group));
    }
    violations.extend(keys.values().flat_map(|under| one_key(&ops, under)));
    ops.sort_by_key(|op| op.invoked);
    (ops, violations)
}

fn attempts<'a>(history: &'a History, violations: &mut Vec<Violation>) -> Vec<Attempt<'a>> {
    let mut open: BTreeMap<u64, Attempt<'a>> = BTreeMap::new();
    for event in &history.events {
        let (number, at) = (event.attempt, event.at);
        match &event.what {
            What::Invoke { request } => {
                open.insert(number, Attempt { number, request, invoked: at, end: None });
            }
            What::Ok { answer, replayed, body } | What::Fail { answer, replayed, body } => {
                let end = End { answer: answer.clone(), replayed: *replayed, body: body.clone(), at };
                match open.get_mut(&number) {
                    Some(attempt) if attempt.end.is_none() => attempt.end = Some(end),
                    Some(_) | None => violations.push(Violation::new("history", format!("{event:?} ends nothing"))),
                }
            }
            What::Unknown { .. } => {}
        }
    }
    open.into_values().collect()
}

fn operation<'a>(request: &'a Request, group: Vec<Attempt<'a>>) -> Op<'a> {
    let invoked = group.iter().map(|attempt| attempt.invoked).min().unwrap_or_default();
    let unknown = group.iter().any(|attempt| attempt.end.is_none());
    let end = group.into_iter().filter_map(|attempt| attempt.end).min_by_key(|end| end.at);
    let frozen = end.as_ref().is_some_and(|end| is_frozen(request, &end.answer.verdict()));
    Op { request, invoked, end, unknown, frozen }
}

/// Whatever was answered under one key is answered again, byte for byte, and only once as the first time.
fn differences(group: &[Attempt<'_>], mediated: bool) -> Vec<Violation> {
    let ends: Vec<_> = group.iter().filter_map(|attempt| attempt.end.as_ref()).collect();
    let Some(first) = ends.first() else { return Vec::new() };
    let request = group.first().map(|attempt| attempt.request);
    let mut found = Vec::new();
    if let Some(other) = ends.iter().find(|end| (&end.answer, &end.body) != (&first.answer, &first.body)) {
        let evidence = format!("{request:?} was answered {:?} and {:?}", first.answer, other.answer);
        found.push(Violation::new("replay_differs", evidence));
    }
    match ends.iter().filter(|end| !end.replayed).count() {
        // Whoever does not know may have been the first.
        0 if !mediated && group.len() == ends.len() => {
            found.push(Violation::new("replay_of_nothing", format!("{request:?}")))
        }
        0 | 1 => {}
        _ => found.push(Violation::new("two_first_answers", format!("{request:?}"))),
    }
    found
}

/// One request holds a key; who comes with another is told so, once there is somebody who holds it.
fn one_key(ops: &[Op<'_>], under: &[usize]) -> Vec<Violation> {
    let ops: Vec<_> = under.iter().filter_map(|at| ops.get(*at)).collect();
    let mut found = Vec::new();
    let holders: Vec<_> = ops.iter().filter(|op| op.frozen).collect();
    if let [one, other, ..] = holders.as_slice() {
        found.push(Violation::new("two_under_one_key", format!("{:?} and {:?}", one.request, other.request)));
    }
    for op in &ops {
        let Some(end) = &op.end else { continue };
        // A dry run holds no key, and hears of those who do.
        let others = || ops.iter().filter(|one| one.request.command != op.request.command && !one.request.only_asks());
        let reused = matches!(&end.answer, Answer::Refused { code } if code == "idempotency_key_reused");
        // The body's shape comes before the key.
        let shapeless = matches!(&end.answer, Answer::Refused { code } if is_shape(code));
        let told_before = |one: &Op<'_>| one.frozen && one.end.as_ref().is_some_and(|kept| kept.at < op.invoked);
        if reused && !others().any(|one| one.unknown || one.frozen) {
            found.push(Violation::new("reused_by_nobody", format!("{:?}", op.request)));
        }
        if !reused && !shapeless && others().any(|one| told_before(one)) {
            found.push(Violation::new("key_not_asked", format!("{:?} was answered {:?}", op.request, end.answer)));
        }
    }
    found
}

fn is_shape(code: &str) -> bool {
    matches!(code, "malformed_body" | "validation_failed")
}
