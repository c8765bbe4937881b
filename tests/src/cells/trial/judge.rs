//! What became of every payment, by the rows of both ledgers and what payers were told, and by nothing that a coordinator says.

use std::collections::BTreeMap;

use super::payers::Sent;
use crate::cells::{reference, returned};
use crate::ledger::Record;
use crate::ledger::record::Made;

/// Which accounts of a cell are what.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) cell: String,
    pub(super) clearing: String,
    pub(super) unclaimed: String,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Payments, or parts of them, that reached their payee.
    pub paid: u64,
    /// Those that were given back to their payer.
    pub returned: u64,
    /// Those that not even their payer took.
    pub unclaimed: u64,
    /// Holds of which nothing was ever paid.
    pub released: u64,
    /// Units that were taken from their payer and have not ended.
    pub in_flight: u64,
    /// Which they are, and where they stand.
    pub open: Vec<String>,
    /// What must not be.
    pub faults: Vec<String>,
}

/// Every payment that was answered, by the id of its hold.
pub(super) type Log = BTreeMap<String, Sent>;

/// Judges both ways, and both ledgers.
pub(super) fn judge(records: &[Record; 2], names: &[Names; 2], log: &Log) -> Verdict {
    let mut verdict = Verdict::default();
    for (at, name) in names.iter().enumerate() {
        Way { from: &records[at], to: &records[1 - at], here: name, there: &names[1 - at], log }.judge(&mut verdict);
        sums(&records[at], &name.cell, &mut verdict);
    }
    let cleared = [0, 1].map(|at| records[at].accounts.get(&names[at].clearing).map_or(0, |it| it.account.balance));
    if verdict.in_flight == 0 && cleared[0] + cleared[1] != 0 {
        verdict.faults.push(format!("nothing is in flight, and the clearing accounts have {cleared:?}"));
    }
    verdict
}

impl Verdict {
    fn still(&mut self, what: String) {
        self.in_flight += 1;
        self.open.push(what);
    }
}

/// One way between the cells.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    from: &'a Record,
    to: &'a Record,
    here: &'a Names,
    there: &'a Names,
    log: &'a Log,
}

impl Way<'_> {
    fn judge(self, verdict: &mut Verdict) {
        let (ends, backs) =
            (self.under(self.to, &reference(&self.here.cell, "")), self.under(self.from, &returned("")));
        let into = |status: &str| {
            let made = self.from.transfers().filter(|made| made.credit == self.here.clearing);
            made.filter(|made| made.status == status).collect::<Vec<_>>()
        };
        let (units, holds) = (into("posted"), into("pending"));
        for (made, of) in ends.iter().chain(&backs) {
            if !units.iter().any(|unit| unit.id == *of) {
                verdict.faults.push(format!("{} of {of}, which nobody paid for", made.id));
            }
        }
        for unit in &units {
            let (ends, backs) = (of(&ends, &unit.id), of(&backs, &unit.id));
            self.unit(unit, &ends, &backs, verdict);
        }
        for hold in &holds {
            let paid: i64 = parts(&units, &hold.id).map(|unit| unit.amount).sum();
            verdict.released += u64::from(paid == 0);
            if paid > hold.amount {
                verdict.faults.push(format!("{} paid {paid} of {}", hold.id, hold.amount));
            }
        }
        let sent = self.log.iter().filter(|(_, sent)| sent.from == self.here.cell);
        for (id, sent) in sent {
            let found = holds.iter().find(|hold| hold.id == *id);
            if found.is_none_or(|hold| (&hold.debit, hold.amount) != (&sent.debit, sent.amount)) {
                verdict.faults.push(format!("{id} was answered, and is not there as it was asked: {found:?}"));
            }
        }
    }

    /// Money that left its payer: paid, or refused and given back, once.
    fn unit(self, unit: &Made, ends: &[&Made], backs: &[&Made], verdict: &mut Verdict) {
        let hold = unit.pending_of.as_ref().unwrap_or(&unit.id);
        let Some(sent) = self.log.get(hold) else {
            return verdict.faults.push(format!("{} came of a hold that nobody knows", unit.id));
        };
        let fits = |made: &Made, debit: &str, credit: &str| {
            made.debit == debit && made.credit == credit && made.amount == unit.amount && made.currency == unit.currency
        };
        match (ends, backs) {
            ([], []) => verdict.still(format!("{} of {}: paid by its payer", unit.id, self.here.cell)),
            ([end], []) if end.status == "pending" && end.debit == self.there.clearing => {
                verdict.still(format!("{} of {}: refused", unit.id, self.here.cell));
            }
            ([end], []) if end.status == "posted" && fits(end, &self.there.clearing, &sent.payee) => verdict.paid += 1,
            ([end], [back]) if end.status == "pending" && back.status == "posted" => {
                if fits(back, &self.here.clearing, &unit.debit) {
                    verdict.returned += 1;
                } else if fits(back, &self.here.clearing, &self.here.unclaimed) {
                    verdict.unclaimed += 1;
                } else {
                    verdict.faults.push(format!("{unit:?} was given back as {back:?}"));
                }
            }
            _ => verdict.faults.push(format!("{unit:?} ended as {ends:?} and {backs:?}")),
        }
    }

    /// What has a reference that begins so, with what follows.
    fn under<'a>(self, record: &'a Record, prefix: &str) -> Vec<(&'a Made, String)> {
        let named = |made: &'a Made| Some((made, made.reference.as_ref()?.strip_prefix(prefix)?.to_owned()));
        record.transfers().filter_map(named).collect()
    }
}

fn of<'a>(made: &[(&'a Made, String)], unit: &str) -> Vec<&'a Made> {
    made.iter().filter(|(_, of)| of == unit).map(|(made, _)| *made).collect()
}

fn parts<'a>(units: &'a [&Made], hold: &str) -> impl Iterator<Item = &'a Made> {
    units.iter().copied().filter(move |unit| unit.pending_of.as_deref() == Some(hold))
}

/// A ledger's own: every balance is the sum of its entries, and all of them of a currency are nothing.
fn sums(record: &Record, cell: &str, verdict: &mut Verdict) {
    let mut balances: BTreeMap<&str, i128> = BTreeMap::new();
    for entry in &record.entries {
        *balances.entry(&entry.account).or_default() += i128::from(entry.amount);
    }
    let mut totals: BTreeMap<&str, i128> = BTreeMap::new();
    for (id, stored) in &record.accounts {
        let sum = balances.get(id.as_str()).copied().unwrap_or_default();
        if sum != stored.account.balance {
            verdict.faults.push(format!("cell {cell}: {id} has {}, its entries {sum}", stored.account.balance));
        }
        *totals.entry(&stored.account.currency).or_default() += stored.account.balance;
    }
    for (currency, total) in totals {
        if total != 0 {
            verdict.faults.push(format!("cell {cell}: {currency} adds up to {total}"));
        }
    }
}
