//! What a run came to, for people and for programs.

use serde_json::{Value, json};

use super::blows::{Blow, Dealt};
use super::{Plan, Tally};
use crate::ledger::history::What;
use crate::ledger::{History, Report};

/// What has to be done at least once, besides transfers.
const MUST: [&str; 4] = ["exchanges", "exchange-rates", "exchanges-dry", "transfers-dry"];

/// What has to come of standing orders at least once.
const RUNS: [&str; 4] = ["posted", "declined", "skipped", "tried again"];

/// Everything that a run has shown.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What ran.
    pub plan: Plan,
    /// What was done to it.
    pub blows: Dealt,
    /// What clients asked and learned.
    pub history: History,
    /// What the checker says.
    pub report: Report,
    /// Standing orders, and what came of their dates.
    pub tally: Tally,
    /// How often the total could be read.
    pub samples: u64,
    /// Every total that was not nothing.
    pub wrong_totals: Vec<String>,
    /// The longest time in which no client was told that anything was done, in milliseconds.
    pub outage: u64,
    /// PostgreSQL's.
    pub version: String,
}

/// The longest time without any success so far, in milliseconds.
pub(super) fn outage(history: &History) -> u64 {
    let done = history.events.iter().filter(|event| matches!(event.what, What::Ok { .. })).map(|event| event.at);
    done.clone().zip(done.skip(1)).map(|(one, next)| next - one).max().unwrap_or_default() / 1_000_000
}

impl Outcome {
    pub(super) fn of(
        plan: &Plan,
        blows: Dealt,
        (history, report, tally): (History, Report, Tally),
        (samples, wrong_totals): (u64, Vec<String>),
        (outage, version): (u64, String),
    ) -> Self {
        Self { plan: plan.clone(), blows, history, report, tally, samples, wrong_totals, outage, version }
    }

    /// How many things were found that must not be.
    #[must_use]
    pub fn violations(&self) -> usize {
        self.report.violations.len() + self.wrong_totals.len()
    }

    /// Why the run shows nothing, if it does not: too little was done, or too little broke.
    #[must_use]
    pub fn void(&self) -> Option<String> {
        let least = self.plan.lasts.as_secs() * 10;
        if self.report.ended("ok") < least {
            return Some(format!("only {} requests were done; {least} would be little", self.report.ended("ok")));
        }
        // What was never done was not survived, either.
        let done = |what: &&&str| self.report.count(what, "ok") > 0;
        if let (true, Some(never)) = (self.plan.features.exchanges, MUST.iter().find(|what| !done(what))) {
            return Some(format!("never done: {never}"));
        }
        let came = |what: &&&str| self.tally.runs.contains_key(**what);
        if let (true, Some(never)) = (self.plan.sets > 0, RUNS.iter().find(|what| !came(what))) {
            return Some(format!("no run of a standing order was ever: {never}"));
        }
        if self.samples == 0 {
            return Some("the total was never read".to_owned());
        }
        // Whatever was asked for: a fault that could not be brought about here was not survived here, either.
        let never = self.plan.blows.iter().find(|blow| !self.blows.done.contains_key(blow))?;
        Some(match self.blows.not_run.get(never) {
            Some(why) => format!("could not happen here: {} ({why})", never.as_str()),
            None => format!("never happened: {}", never.as_str()),
        })
    }

    /// The report as a page.
    #[must_use]
    pub fn page(&self) -> String {
        let mut lines = vec!["# Chaos run".to_owned(), String::new(), self.summary(), String::new()];
        lines.extend(["| what broke | times |".to_owned(), "| --- | --- |".to_owned()]);
        lines.extend(self.plan.blows.iter().map(|blow| {
            let times = self.blows.done.get(blow).copied().unwrap_or_default();
            let not = self.blows.not_run.get(blow).map(|why| format!(" (NOT RUN at least once: {why})"));
            format!("| {} | {times}{} |", blow.as_str(), not.unwrap_or_default())
        }));
        lines.extend([String::new(), "| asked and told | times |".to_owned(), "| --- | --- |".to_owned()]);
        lines.extend(self.report.attempts.iter().map(|(name, count)| format!("| {name} | {count} |")));
        let unknown = self.report.unknown.iter();
        lines.extend(unknown.map(|(name, count)| format!("| never known to its client: {name} | {count} |")));
        lines.push(format!("| standing orders | {} |", self.tally.orders));
        lines.extend(self.tally.runs.iter().map(|(ended, count)| format!("| runs of them {ended} | {count} |")));
        lines.extend(self.report.violations.iter().map(|violation| format!("\nVIOLATION {violation}")));
        lines.extend(self.wrong_totals.iter().map(|total| format!("\nVIOLATION total {total}")));
        lines.push(String::new());
        lines.join("\n")
    }

    fn summary(&self) -> String {
        let verdict = match (self.violations(), self.void()) {
            (0, None) => "No violation.".to_owned(),
            (0, Some(why)) => format!("Void: {why}."),
            (found, _) => format!("**{found} violations.**"),
        };
        let Plan { seed, lasts, clients, .. } = &self.plan;
        format!(
            "{verdict} Seed {seed}, {} s, {clients} clients, two ledger processes behind the gateway, PostgreSQL {} with \
             fsync on (its write-ahead log on a tmpfs where one can be mounted, so that its disk can be filled), Redis, \
             one machine. The total was read {} times in one snapshot; the longest time without any success was {} ms.",
            lasts.as_secs(),
            self.version,
            self.samples,
            self.outage
        )
    }

    /// The same for programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let blows = |(blow, count): (&Blow, &u64)| (blow.as_str().to_owned(), json!(count));
        let not_run = |(blow, why): (&Blow, &String)| (blow.as_str().to_owned(), json!(why));
        json!({
            "seed": self.plan.seed,
            "seconds": self.plan.lasts.as_secs(),
            "clients": self.plan.clients,
            "postgres": self.version,
            "blows": self.blows.done.iter().map(blows).collect::<serde_json::Map<_, _>>(),
            "not_run": self.blows.not_run.iter().map(not_run).collect::<serde_json::Map<_, _>>(),
            "attempts": self.report.attempts,
            "unknown": self.report.unknown,
            "standing_orders": self.tally.orders,
            "standing_order_runs": self.tally.runs,
            "total_samples": self.samples,
            "longest_outage_ms": self.outage,
            "void": self.void(),
            "violations": self.report.violations.iter().map(ToString::to_string).chain(self.wrong_totals.iter().cloned()).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::Features;

    fn outcome(done: &[Blow], not_run: &[Blow]) -> Outcome {
        let (lasts, pauses) = (Duration::from_secs(1), (1, 2));
        let blows = vec![Blow::KillRedis, Blow::FillDisk];
        let (features, sets, lease) = (Features::ALL, 1, None);
        let plan = Plan { seed: 1, lasts, clients: 1, blows, pauses, features, sets, lease };
        let dealt = Dealt {
            done: done.iter().map(|blow| (*blow, 1)).collect(),
            not_run: not_run.iter().map(|blow| (*blow, "no tmpfs".to_owned())).collect(),
        };
        let mut report = Report::default();
        report.attempts.insert("transfers ok".to_owned(), 1_000);
        report.attempts.extend(MUST.map(|what| (format!("{what} ok"), 1)));
        let tally = Tally { orders: 8, runs: RUNS.map(|what| (what, 1)).into() };
        Outcome::of(&plan, dealt, (History::default(), report, tally), (1, Vec::new()), (0, "15".to_owned()))
    }

    #[test]
    fn a_fault_that_was_asked_for_and_did_not_happen_makes_a_run_void() {
        assert_eq!(outcome(&[Blow::KillRedis, Blow::FillDisk], &[]).void(), None);
        let tried = outcome(&[Blow::KillRedis], &[Blow::FillDisk]);
        let why = "could not happen here: disk of the write-ahead log full (no tmpfs)";
        assert_eq!(tried.void().as_deref(), Some(why));
        assert!(tried.page().contains(&format!("Void: {why}.")), "the reason is printed");
        assert_eq!(tried.json()["void"], why);
        let never = outcome(&[Blow::FillDisk], &[]).void();
        assert_eq!(never.as_deref(), Some("never happened: kill -9 of Redis"));
        let mut quiet = outcome(&[Blow::KillRedis, Blow::FillDisk], &[]);
        quiet.report.attempts.remove("exchanges ok");
        assert_eq!(quiet.void().as_deref(), Some("never done: exchanges"));
        let mut rich = outcome(&[Blow::KillRedis, Blow::FillDisk], &[]);
        rich.tally.runs.remove("declined");
        assert_eq!(rich.void().as_deref(), Some("no run of a standing order was ever: declined"));
        // It could not be once, and was at another time.
        assert_eq!(outcome(&[Blow::KillRedis, Blow::FillDisk], &[Blow::FillDisk]).void(), None);
    }
}
