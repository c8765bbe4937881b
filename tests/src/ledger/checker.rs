//! Judges a history against what was committed: nothing lost, nothing double, nothing that the rules forbid, and every
//! answer one that the ledger could have given at some moment between the question and the answer.
//!
//! The order of commit is known, so nothing has to be searched for: the committed transfers are replayed through the
//! model in that order, and whatever left no trace (refusals, dry runs, reads) has to fit in between.

mod claims;
mod keys;
mod ops;
mod replay;
mod sums;
mod windows;

use std::collections::BTreeMap;
use std::fmt;

use super::history::{Answer, History, What};
use super::record::Record;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What kind.
    pub name: &'static str,
    /// What shows it.
    pub evidence: String,
}

impl Violation {
    pub(super) fn new(name: &'static str, evidence: impl Into<String>) -> Self {
        Self { name, evidence: evidence.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.evidence)
    }
}

/// What was found, and in how much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Everything that must not be.
    pub violations: Vec<Violation>,
    /// Attempts by command and by how they ended.
    pub attempts: BTreeMap<String, u64>,
    /// Operations that no client knows the end of, by what became of them.
    pub unknown: BTreeMap<&'static str, u64>,
}

impl Report {
    /// How often an attempt at `command` ended so.
    #[must_use]
    pub fn count(&self, command: &str, end: &str) -> u64 {
        self.attempts.get(&format!("{command} {end}")).copied().unwrap_or_default()
    }

    /// How often something ended so, whatever it was.
    #[must_use]
    pub fn ended(&self, end: &str) -> u64 {
        let so = self.attempts.iter().filter(|(name, _)| name.split_once(' ').is_some_and(|(_, how)| how == end));
        so.map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.attempts.iter().try_for_each(|(name, count)| writeln!(f, "{name}: {count}"))?;
        self.unknown.iter().try_for_each(|(name, count)| writeln!(f, "unknown, {name}: {count}"))?;
        self.violations.iter().take(20).try_for_each(|violation| writeln!(f, "VIOLATION {violation}"))
    }
}

/// Judges what happened between two looks at a database.
#[must_use]
pub fn check(opening: &Record, history: &History, closing: &Record) -> Report {
    let new = closing.rows.iter().position(|row| row.position > opening.end()).unwrap_or(closing.rows.len());
    let rows = &closing.rows[new..];
    let (ops, mut violations) = ops::gather(history);
    let (claims, found) = claims::claim(&ops, rows);
    violations.extend(found);
    violations.extend(sums::entries(closing));
    violations.extend(keys::taken(&ops, closing.keys - opening.keys));
    let windows = windows::measure(&ops, &claims, rows.len());
    violations.extend(windows.out_of_order(&ops));
    let scene = replay::Scene { rows, ops: &ops, claims: &claims, windows: &windows, history };
    violations.extend(replay::replay(opening, closing, &scene));
    let mut unknown = BTreeMap::new();
    for (number, _) in ops.iter().enumerate().filter(|(_, op)| op.end.is_none()) {
        let became = if claims.of_op.contains_key(&number) { "made" } else { "not made" };
        *unknown.entry(became).or_default() += 1;
    }
    Report { violations, attempts: attempts(history), unknown }
}

/// Attempts of a history, by command and by how they ended.
#[must_use]
pub fn attempts(history: &History) -> BTreeMap<String, u64> {
    let mut routes = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for event in &history.events {
        let end = match &event.what {
            What::Invoke { request } => {
                let dry = if request.dry_run { "-dry" } else { "" };
                routes.insert(event.attempt, format!("{}{dry}", request.route()));
                continue;
            }
            What::Ok { replayed: true, .. } | What::Fail { replayed: true, .. } => "replayed",
            What::Ok { .. } => "ok",
            What::Fail { answer: Answer::Refused { code }, .. } => code,
            What::Fail { .. } => "batch_declined",
            What::Unknown { .. } => "unknown",
        };
        let route = routes.get(&event.attempt).map_or("?", String::as_str);
        *counts.entry(format!("{route} {end}")).or_default() += 1;
    }
    counts
}
