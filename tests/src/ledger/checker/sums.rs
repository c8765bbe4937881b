//! What holds of entries by themselves: dense, folding into balances, two of each transfer, adding up to nothing.

use std::collections::{BTreeMap, HashMap};

use super::Violation;
use crate::ledger::model::UNIT;
use crate::ledger::record::Record;

/// Every entry of the whole ledger, and every balance.
pub fn entries(record: &Record) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut last: BTreeMap<&str, (i64, i64, i64)> = BTreeMap::new();
    let mut sides: BTreeMap<&str, (u32, i128)> = BTreeMap::new();
    for entry in &record.entries {
        let (seq, balance, position) = last.get(entry.account.as_str()).copied().unwrap_or((0, 0, 0));
        if entry.seq != seq + 1 {
            found.push(Violation::new("seq_gap", format!("after {seq}: {entry:?}")));
        }
        if i128::from(balance) + i128::from(entry.amount) != i128::from(entry.balance_after) {
            found.push(Violation::new("balance_is_no_fold", format!("after {balance}: {entry:?}")));
        }
        if entry.position <= position {
            found.push(Violation::new("out_of_order", format!("after position {position}: {entry:?}")));
        }
        last.insert(&entry.account, (entry.seq, entry.balance_after, entry.position));
        let side = sides.entry(&entry.transfer).or_default();
        *side = (side.0 + 1, side.1 + i128::from(entry.amount));
    }
    for made in record.transfers() {
        let expected = if made.status == "posted" { (2, 0) } else { (0, 0) };
        let there = sides.remove(made.id.as_str()).unwrap_or_default();
        if there != expected {
            found.push(Violation::new("two_entries_each", format!("{there:?} instead of {expected:?}: {made:?}")));
        }
    }
    found.extend(sides.keys().map(|id| Violation::new("two_entries_each", format!("entries of no transfer {id}"))));
    let mut totals: BTreeMap<&str, i128> = BTreeMap::new();
    for (id, stored) in &record.accounts {
        let (seq, balance, _) = last.get(id.as_str()).copied().unwrap_or_default();
        let account = &stored.account;
        if (account.seq, account.balance) != (seq.into(), balance.into()) {
            let what = format!("{id} says {} after {} entries; the last says {balance}", account.balance, account.seq);
            found.push(Violation::new("balance_is_no_fold", what));
        }
        *totals.entry(&account.currency).or_default() += account.balance;
    }
    let off = totals.into_iter().filter(|(_, total)| *total != 0);
    found.extend(off.map(|(currency, total)| Violation::new("sums_zero", format!("{total} {currency}"))));
    let mut before = (0, 0);
    for row in &record.rows {
        if row.position <= before.0 {
            found.push(Violation::new("positions_grow", format!("{row:?} after {}", before.0)));
        }
        before = (row.position, row.at);
    }
    found.extend(rounding(record));
    found
}

/// What rounding took in all is what was booked of it and what is not: nothing of it is lost, and nothing made.
fn rounding(record: &Record) -> Vec<Violation> {
    let mut found = Vec::new();
    let transfers: HashMap<_, _> = record.transfers().map(|made| (&made.id, made)).collect();
    let accounts: BTreeMap<_, _> = record.rates().map(|set| (&set.id, &set.rounding)).collect();
    let mut taken: BTreeMap<&str, i128> = BTreeMap::new();
    for made in record.exchanges() {
        let legs: Vec<_> = made.legs.iter().filter_map(|id| transfers.get(id)).collect();
        let whole = if legs.len() == made.legs.len() { legs.as_slice() } else { &[] };
        let (Some(account), [paid, received, more @ ..]) = (accounts.get(&made.rate_id), whole) else {
            found.push(Violation::new("torn", format!("{made:?} has {legs:?}")));
            continue;
        };
        if paid.currency == received.currency || more.iter().any(|booked| booked.credit != **account) {
            found.push(Violation::new("torn", format!("{made:?} has {legs:?}")));
        }
        let booked: i128 = more.iter().map(|booked| i128::from(booked.amount) * UNIT).sum();
        *taken.entry(account).or_default() += i128::from(made.remainder) - booked;
    }
    for (account, left) in taken {
        let carry = record.carries.get(account).copied().unwrap_or_default();
        if left != carry.into() {
            let what = format!("{left} is taken and not booked for {account}, and {carry} gathered");
            found.push(Violation::new("remainder_is_kept", what));
        }
    }
    found
}
